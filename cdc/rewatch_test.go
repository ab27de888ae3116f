package cdc_test

import (
	"testing"

	"sqlsync/cdc"
)

// What peers did while a table was not watched is merged when it is watched
// again, and is not taken for something that its application undid.
func TestPeersChangesWhileUnwatchedArrive(t *testing.T) {
	a, b := pair(t, items+`; INSERT INTO items (id, name) VALUES (1, 'one'), (2, 'two'), (4, 'four')`, "items")
	converge(t, a, b)
	if _, err := b.Unwatch(t.Context(), []string{"items"}); err != nil {
		t.Fatal(err)
	}
	a.exec(`UPDATE items SET name = 'uno' WHERE id = 1`)
	a.exec(`INSERT INTO items (id, name) VALUES (3, 'tre')`)
	a.exec(`DELETE FROM items WHERE id = 2`)
	b.exec(`UPDATE items SET qty = 9 WHERE id = 4`)
	b.pull(a)
	b.watch(cdc.WatchOptions{}, "items")
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(id || name || qty, ' ') FROM items`); got != "1uno0 3tre0 4four9" {
		t.Errorf("rows are %q", got)
	}
	if n := len(a.conflicts()) + len(b.conflicts()); n != 0 {
		t.Errorf("%d conflicts, want none", n)
	}
}

// A table whose key column was renamed, or that was made anew with another key,
// waits until it is watched again on both; then it goes on with all its rows.
func TestKeyThatChanges(t *testing.T) {
	for name, change := range map[string]string{
		"renamed": `ALTER TABLE k RENAME COLUMN id TO kid`,
		"another": `CREATE TABLE k2 (name TEXT PRIMARY KEY NOT NULL, id INTEGER); INSERT INTO k2 SELECT name, id FROM k; DROP TABLE k; ALTER TABLE k2 RENAME TO k`,
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, `CREATE TABLE k (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO k VALUES (1, 'both')`, "k")
			converge(t, a, b)
			a.exec(change)
			b.exec(change)
			key := map[string]string{"renamed": "kid", "another": "id"}[name]
			a.exec(`INSERT INTO k (` + key + `, name) VALUES (2, 'a')`)
			b.exec(`INSERT INTO k (` + key + `, name) VALUES (3, 'b')`)
			exchange(a, b)
			if a.waiting("k") == "" {
				t.Error("the table does not wait")
			}
			a.watch(cdc.WatchOptions{}, "k")
			exchange(a, b)
			b.watch(cdc.WatchOptions{}, "k")
			converge(t, a, b)
			for _, n := range []*node{a, b} {
				if got := n.text(`SELECT group_concat(name) FROM (SELECT name FROM k ORDER BY name)`); got != "a,b,both" {
					t.Errorf("rows are %s", got)
				}
				if why := n.waiting("k"); why != "" {
					t.Errorf("the table still waits: %s", why)
				}
				if list := n.conflicts(); len(list) != 0 {
					t.Errorf("conflicts are %+v", list)
				}
			}
		})
	}
}

// Capture does not stay with a table that is renamed, where an old library has
// left its triggers broken, and is whole when the table is back.
func TestTableThatIsRenamedByAnOldLibrary(t *testing.T) {
	a, b := pair(t, `CREATE TABLE o (id INTEGER PRIMARY KEY, u UNIQUE); INSERT INTO o VALUES (1, 'x'), (2, 'y')`, "o")
	converge(t, a, b)
	a.exec(`PRAGMA legacy_alter_table = 1`)
	a.exec(`ALTER TABLE o RENAME TO o2`)
	if _, err := a.app.Exec(`INSERT INTO o2 VALUES (3, 'z')`); err == nil {
		t.Error("the trigger was to be broken")
	}
	a.seal()
	// SQLite prepares by the schema that it knows, until it reads.
	if got := a.text(`SELECT count(*) FROM sqlite_master WHERE type = 'trigger'`); got != "0" {
		t.Errorf("%s triggers are left", got)
	}
	a.exec(`REPLACE INTO o2 VALUES (3, 'x')`)
	a.exec(`ALTER TABLE o2 RENAME TO o`)
	a.exec(`UPDATE o SET u = 'Y' WHERE id = 2`)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(id || u) FROM (SELECT * FROM o ORDER BY id)`); got != "2Y,3x" {
		t.Errorf("the peer has %s", got)
	}
}

// A table that is renamed is another table; it is watched by its new name.
func TestTableThatIsRenamed(t *testing.T) {
	a, b := pair(t, `CREATE TABLE o (id INTEGER PRIMARY KEY, v); INSERT INTO o VALUES (1, 'x')`, "o")
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		n.exec(`ALTER TABLE o RENAME TO o2`)
	}
	a.exec(`INSERT INTO o2 VALUES (2, 'a')`)
	b.exec(`INSERT INTO o2 VALUES (3, 'b')`)
	exchange(a, b)
	a.watch(cdc.WatchOptions{}, "o2")
	b.watch(cdc.WatchOptions{}, "o2")
	converge(t, a, b)
	if got := b.text(`SELECT count(*) FROM o2`); got != "3" {
		t.Errorf("%s rows, want 3", got)
	}
}
