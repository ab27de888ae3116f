package cdc_test

import (
	"strings"
	"testing"

	"sqlsync/cdc"
)

// What one node has in a column that the other does not have yet is there once
// the column is, whatever the statement was that carried it.
func TestValueOfAMissingColumnLands(t *testing.T) {
	a, b := pair(t, `CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO p VALUES (1, 'tea'), (2, 'rice'), (5, 'oil')`, "p")
	converge(t, a, b)
	a.exec(`ALTER TABLE p ADD COLUMN ean TEXT DEFAULT 'none'`)
	a.exec(`UPDATE p SET ean = '4001' WHERE id = 1`)
	a.exec(`INSERT INTO p VALUES (3, 'salt', '4003')`)
	exchange(a, b)
	b.exec(`UPDATE p SET name = 'brown rice' WHERE id = 2`)
	b.exec(`INSERT INTO p (id, name) VALUES (4, 'mint')`)
	a.exec(`UPDATE p SET name = 'sea salt' WHERE id = 3`)
	a.exec(`DELETE FROM p WHERE id = 5`)
	exchange(a, b)
	if got := b.text(`SELECT group_concat(id || name) FROM p`); got != "1tea,2brown rice,3sea salt,4mint" {
		t.Fatalf("before the column came, B has %s", got)
	}
	b.exec(`ALTER TABLE p ADD COLUMN ean TEXT DEFAULT 'none'`)
	b.exec(`UPDATE p SET ean = '4004' WHERE id = 4`)
	converge(t, a, b)
	const want = "1tea4001,2brown ricenone,3sea salt4003,4mint4004"
	for _, n := range []*node{a, b} {
		if got := n.text(`SELECT group_concat(id || name || ean) FROM p`); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if n := len(a.conflicts()) + len(b.conflicts()); n != 0 {
		t.Errorf("%d conflicts, want none", n)
	}
}

// A row that is replaced by one of a node without a column has nothing of the
// former one in it.
func TestReplacedByARowWithoutAColumn(t *testing.T) {
	a, b := pair(t, `CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT, n INT)`, "p")
	b.exec(`ALTER TABLE p ADD COLUMN ean TEXT DEFAULT 'none'`)
	b.exec(`INSERT INTO p VALUES (1, 'tea', 1, '4001'), (2, 'rice', 2, NULL), (3, 'salt', 3, '4003')`)
	b.seal()
	a.exec(`INSERT INTO p VALUES (1, 'chai', 1), (2, 'dal', 2)`)
	exchange(a, b)
	a.exec(`DELETE FROM p WHERE id = 3`)
	a.seal()
	a.exec(`INSERT INTO p VALUES (3, 'pepper', 3)`)
	exchange(a, b)
	const rows = `SELECT group_concat(id || name || coalesce(ean, '-'), ' ') FROM p`
	want(t, rows, "1chainone 2dalnone 3peppernone", b)
	b.exec(`UPDATE p SET ean = '4002' WHERE id = 2`)
	exchange(a, b)
	a.exec(`ALTER TABLE p ADD COLUMN ean TEXT DEFAULT 'none'`)
	converge(t, a, b)
	want(t, rows, "1chainone 2dal4002 3peppernone", a, b)
	if n := len(b.conflicts()); n != 2 {
		t.Errorf("%d conflicts, want 2", n)
	}
}

// A baseline brings columns that the other's table does not have yet, too.
func TestMissingColumnOfABaselineLands(t *testing.T) {
	a := newNode(t, 1, `CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT, ean TEXT); INSERT INTO p VALUES (1, 'tea', '4001')`)
	b := newNode(t, 2, `CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO p VALUES (1, 'tea')`)
	b.watch(cdc.WatchOptions{}, "p")
	a.watch(cdc.WatchOptions{}, "p")
	exchange(a, b)
	b.exec(`ALTER TABLE p ADD COLUMN ean TEXT`)
	converge(t, a, b)
	if got := b.text(`SELECT ean FROM p`); got != "4001" {
		t.Errorf("ean is %q, want 4001", got)
	}
	if n := len(a.conflicts()) + len(b.conflicts()); n != 0 {
		t.Errorf("%d conflicts, want none", n)
	}
}

// A table with another key on the other node waits alone, and goes on once it
// has the same key on both.
func TestTableWithAnotherKeyWaitsAlone(t *testing.T) {
	a := newNode(t, 1, `CREATE TABLE p (id INTEGER PRIMARY KEY, sku TEXT NOT NULL UNIQUE, name TEXT); CREATE TABLE q (id INTEGER PRIMARY KEY)`)
	b := newNode(t, 2, `CREATE TABLE p (id INTEGER, sku TEXT PRIMARY KEY NOT NULL, name TEXT); CREATE TABLE q (id INTEGER PRIMARY KEY)`)
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{}, "p", "q")
	}
	a.exec(`INSERT INTO p VALUES (1, 'T1', 'tea'); INSERT INTO q VALUES (7)`)
	b.exec(`INSERT INTO p VALUES (2, 'R1', 'rice')`)
	a.seal()
	b.seal()
	a.pull(b)
	b.pull(a)
	if got := b.text(`SELECT (SELECT count(*) FROM p) || (SELECT count(*) FROM q)`); got != "11" {
		t.Fatalf("B has %s rows of p and q, want 1 and 1", got)
	}
	for _, n := range []*node{a, b} {
		st, err := n.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if why := st.Waiting["p"]; !strings.Contains(why, "(sku)") || !strings.Contains(why, "(id)") {
			t.Errorf("p waits for %q", why)
		}
	}
	a.exec(`CREATE TABLE p2 (id INTEGER, sku TEXT PRIMARY KEY NOT NULL, name TEXT); INSERT INTO p2 SELECT * FROM p; DROP TABLE p; ALTER TABLE p2 RENAME TO p`)
	if v, err := a.Watch(t.Context(), []string{"p"}, cdc.WatchOptions{}); err != nil || v[0].Refused != nil {
		t.Fatalf("watch again: %v, %+v", err, v)
	}
	converge(t, a, b)
	if got := a.text(`SELECT group_concat(sku) FROM (SELECT sku FROM p ORDER BY sku)`); got != "R1,T1" {
		t.Errorf("A has %s, want R1,T1", got)
	}
}

// A renamed column is the column it was, on both sides, whoever renames first
// and whatever was written to it meanwhile.
func TestColumnThatIsRenamed(t *testing.T) {
	a, b := pair(t, `CREATE TABLE p (id INTEGER PRIMARY KEY, note TEXT, n INT); INSERT INTO p VALUES (1, 'x', 1), (2, 'y', 2)`, "p")
	converge(t, a, b)
	a.exec(`ALTER TABLE p RENAME COLUMN note TO remark`)
	a.exec(`UPDATE p SET remark = NULL WHERE id = 1`)
	exchange(a, b)
	b.exec(`ALTER TABLE p RENAME COLUMN note TO remark`)
	b.exec(`UPDATE p SET n = 3 WHERE id = 2`)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.text(`SELECT group_concat(id || coalesce(remark, 'NULL') || n, ' ') FROM p`); got != "1NULL1 2y3" {
			t.Errorf("rows are %s", got)
		}
	}
}

// So is one that is renamed while others come and go.
func TestColumnThatIsRenamedAmongOthers(t *testing.T) {
	a, b := pair(t, `CREATE TABLE p (id INTEGER PRIMARY KEY, note TEXT, n INT, spare, m, last); INSERT INTO p VALUES (1, 'x', 1, 0, 0, 1), (2, 'y', 2, 0, 0, 2)`, "p")
	converge(t, a, b)
	const migration = `BEGIN; ALTER TABLE p ADD COLUMN colour DEFAULT 'red'; ALTER TABLE p RENAME COLUMN note TO _x; ALTER TABLE p DROP COLUMN spare;
		ALTER TABLE p RENAME COLUMN _x TO remark; ALTER TABLE p RENAME COLUMN last TO "end"; COMMIT`
	a.exec(migration)
	a.exec(`UPDATE p SET remark = 'new', "end" = 9, colour = 'blue' WHERE id = 1`)
	exchange(a, b)
	b.exec(migration) // what it has of the row is older, though it is looked at later
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.text(`SELECT group_concat(id || remark || n || "end" || colour, ' ') FROM p`); got != "1new19blue 2y22red" {
			t.Errorf("rows are %s", got)
		}
		if list := n.conflicts(); len(list) != 0 {
			t.Errorf("%d conflicts", len(list))
		}
	}
}

// A column that is dropped and added again is a new one.
func TestColumnDroppedAndAddedAgain(t *testing.T) {
	a, b := pair(t, `CREATE TABLE p (id INTEGER PRIMARY KEY, note TEXT, n INT); INSERT INTO p VALUES (1, 'x', 1), (2, 'y', 2)`, "p")
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		n.exec(`ALTER TABLE p DROP COLUMN note`)
		n.seal()
		n.exec(`ALTER TABLE p ADD COLUMN note TEXT`)
	}
	a.exec(`UPDATE p SET note = 'new' WHERE id = 1`)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(id || coalesce(note, 'NULL'), ' ') FROM p`); got != "1new 2NULL" {
		t.Errorf("rows are %s", got)
	}
}
