package cdc_test

import (
	"database/sql"
	"fmt"
	"strings"

	"sqlsync/cdc"
)

// openApp opens a file that is no store, as an application.
func (n *node) openApp(schema string) {
	n.t.Helper()
	var err error
	if n.app, err = sql.Open("sqlite", "file:"+n.path+"?_pragma=busy_timeout(10000)"); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { n.app.Close() })
	n.exec(schema)
}

// initial is the value that old rows have in a column which was added: as
// SQLite makes it of the default.
func (d *trial) initial(table, column string) (cell cellText) {
	d.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		d.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	create := ""
	d.query(d.watched, func(v []any) {
		typ, initial := v[0].(string), "NULL"
		if typ == "ANY" {
			typ = ""
		}
		if s, ok := v[1].(string); ok {
			initial = s
		}
		create = fmt.Sprintf("CREATE TABLE t (x, c %s DEFAULT (%s)); INSERT INTO t (x) VALUES (1)", typ, initial)
	}, `SELECT type, dflt_value FROM pragma_table_xinfo(?) WHERE name = ? COLLATE NOCASE`, table, column)
	if _, err := db.Exec(create); err != nil {
		d.Fatalf("%s: %v", create, err)
	}
	d.query(&node{app: db}, func(v []any) { cell = cellOf(v[0].(string), v[1]) }, "SELECT "+selectCell("c")+" FROM t")
	return cell
}

// ownSchema is what the application made, and how far its ids have come.
func (d *trial) ownSchema(n *node) string {
	d.Helper()
	var b strings.Builder
	list := func(v []any) { fmt.Fprintln(&b, v...) }
	d.query(n, list, `SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name NOT GLOB 'sqlsync_*' AND name NOT GLOB 'sqlsync_*' AND name <> 'sqlite_sequence' ORDER BY type, name`)
	if strings.Contains(b.String(), "AUTOINCREMENT") {
		d.query(n, list, `SELECT name, seq FROM sqlite_sequence ORDER BY name`)
	}
	return b.String()
}

// checkFiles looks at what is true of the files as a whole.
func (d *trial) checkFiles() {
	d.Helper()
	if got, want := d.ownSchema(d.watched), d.ownSchema(d.plain); got != want {
		d.Errorf("the application's schema is\n%s\nwithout sqlsync\n%s", got, want)
	}
	d.watched.checkIntegrity()
	d.replica.checkIntegrity()
	st, err := d.replica.Status(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	// After RENAME COLUMN a node takes the column for a new one, and once all
	// rows are compared it seals what it has in it.
	exact := *differentialAll || len(d.loose) == 0
	if len(d.behind) == 0 && (exact && st.Conflicts > 0 || st.Held > 0) {
		d.Errorf("the replica has %d conflicts and %d held rows", st.Conflicts, st.Held)
	}
	v, err := d.replica.Stream(cdc.DefaultDataset).Vector(d.Context())
	if err != nil || exact && v[d.replica.Node()].Seq > 0 {
		d.Errorf("the replica answered with %d batches of its own, %v", v[d.replica.Node()].Seq, err)
	}
}
