package schema_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"strings"

	_ "modernc.org/sqlite"

	"sqlsync/schema"
)

// The triggers that capture a table write which row was touched, and no value.
func ExampleTriggers() {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE orders (id TEXT PRIMARY KEY, cents INTEGER)`); err != nil {
		log.Fatal(err)
	}
	table, err := schema.Load(context.Background(), db, "orders")
	if err != nil {
		log.Fatal(err)
	}
	key, err := table.Key(nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range schema.Triggers(table, key, schema.Capture{Dataset: 1, TableID: 1}) {
		fmt.Println(t.Name, strings.Contains(t.SQL, "cents"))
	}
	// Output:
	// sqlsync_1_insert false
	// sqlsync_1_update false
	// sqlsync_1_rekey false
	// sqlsync_1_delete false
	// sqlsync_1_displace_rowid_insert false
	// sqlsync_1_displace_rowid_update false
}
