package cdc_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/wire"
)

// A store is one database file: watch tables, seal what the application wrote,
// read it back as changes. Package mesh opens one with its key file.
func Example() {
	ctx := context.Background()
	store, app := exampleStore(ctx)
	defer os.RemoveAll(filepath.Dir(store.Path()))
	defer store.Close()
	defer app.Close()

	verdicts, err := store.Watch(ctx, []string{"orders", "notes"}, cdc.WatchOptions{})
	exampleCheck(err)
	for _, v := range verdicts {
		fmt.Println(v.Table, v.Rows, v.Refused)
	}
	_, err = app.Exec(`UPDATE orders SET cents = 525; DELETE FROM orders WHERE id = 'b'`)
	exampleCheck(err)
	exampleCheck(store.Seal(ctx, cdc.DefaultDataset)) // Follow does so by itself

	err = store.Log(ctx, cdc.Cursor{Dataset: cdc.DefaultDataset}, func(e *cdc.Entry) error {
		fmt.Println(e.Table, e.Change.Op, e.Change.Key, e.Columns, e.Change.Values)
		return nil
	})
	exampleCheck(err)
	// Output:
	// orders 2 <nil>
	// notes 0 table notes is refused: it has no primary key, so its rows cannot be told apart on other nodes
	// orders insert [a] [cents] [450]
	// orders insert [b] [cents] [300]
	// orders update [a] [cents] [525]
	// orders delete [b] [] []
}

// A change feed: a cursor is kept where the program keeps its own state, and the
// next call goes on behind it.
func ExampleStore_Log() {
	ctx := context.Background()
	store, app := exampleStore(ctx)
	defer os.RemoveAll(filepath.Dir(store.Path()))
	defer store.Close()
	defer app.Close()
	_, err := store.Watch(ctx, []string{"orders"}, cdc.WatchOptions{})
	exampleCheck(err)

	kept := cdc.Cursor{Dataset: cdc.DefaultDataset}.String()
	read := func() {
		after, err := cdc.ParseCursor(kept)
		exampleCheck(err)
		exampleCheck(store.Log(ctx, after, func(e *cdc.Entry) error {
			fmt.Println(e.Cursor, e.Change.Key)
			kept = e.Cursor.String()
			return nil
		}))
	}
	read()
	_, err = app.Exec(`INSERT INTO orders VALUES ('c', 100)`)
	exampleCheck(err)
	exampleCheck(store.Seal(ctx, cdc.DefaultDataset))
	read()
	// Output:
	// primary:1:1 [a]
	// primary:1:2 [b]
	// primary:2:1 [c]
}

// exampleStore is a database as an application has one, and a store of it.
func exampleStore(ctx context.Context) (*cdc.Store, *sql.DB) {
	dir, err := os.MkdirTemp("", "cdc")
	exampleCheck(err)
	path := filepath.Join(dir, "shop.db")
	app, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(60000)")
	exampleCheck(err)
	_, err = app.Exec(`CREATE TABLE orders (id TEXT PRIMARY KEY, cents INTEGER);
		INSERT INTO orders VALUES ('a', 450), ('b', 300);
		CREATE TABLE notes (body TEXT)`)
	exampleCheck(err)
	id, err := crypto.NewIdentity(nil)
	exampleCheck(err)
	store, err := cdc.Open(ctx, cdc.Options{
		Path: path,
		Node: merge.NodeID(id.PublicKey()),
		Sign: func(h wire.Hash) []byte { return id.Sign(h[:]) },
		Verify: func(origin merge.NodeID, h wire.Hash, signature []byte) bool {
			return crypto.PublicKey(origin).Verify(h[:], signature)
		},
	})
	exampleCheck(err)
	return store, app
}

func exampleCheck(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
