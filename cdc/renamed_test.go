package cdc_test

import (
	"fmt"
	"testing"

	"sqlsync/cdc"
)

const shelves = `CREATE TABLE stock (id INTEGER PRIMARY KEY, name TEXT, qty INT, doc TEXT); INSERT INTO stock VALUES (1, 'x', 1, 'one'), (2, 'y', 2, 'two'), (3, 'z', 3, NULL)`

const contents = `SELECT group_concat(id || name || coalesce(shelf, '-'), ' ') FROM (SELECT * FROM stock ORDER BY id)`

// meetWithNames exchanges as sessions do: what columns were called is told before.
func meetWithNames(nodes ...*node) {
	for range 2 {
		for _, a := range nodes {
			for _, b := range nodes {
				if a != b {
					a.greet(b)
				}
			}
		}
	}
}

func want(t *testing.T, query, want string, nodes ...*node) {
	t.Helper()
	for i, n := range nodes {
		if got := n.text(query); got != want {
			t.Errorf("node %d has %s, want %s", i, got, want)
		}
	}
}

// A node that comes when a column has another name than in its history has its
// values.
func TestRenamedBeforeANodeCame(t *testing.T) {
	a := newNode(t, 1, shelves)
	a.watch(cdc.WatchOptions{}, "stock")
	a.exec(`UPDATE stock SET doc = 'uno' WHERE id = 1`)
	a.seal()
	a.exec(`ALTER TABLE stock RENAME COLUMN doc TO note`)
	a.seal()
	a.exec(`ALTER TABLE stock RENAME COLUMN note TO shelf`)
	a.exec(`INSERT INTO stock VALUES (4, 'w', 4, 'four')`)
	b := newNode(t, 2, `CREATE TABLE stock (id INTEGER PRIMARY KEY, name TEXT, qty INT, shelf TEXT)`)
	b.watch(cdc.WatchOptions{}, "stock")
	c := newNode(t, 3, `CREATE TABLE stock (id INTEGER PRIMARY KEY, name TEXT, qty INT, shelf TEXT)`)
	c.watch(cdc.WatchOptions{}, "stock")
	c.greet(b) // it hears of the names before it has a change, and of some only then
	b.greet(a)
	c.greet(b)
	want(t, contents, "1xuno 2ytwo 3z- 4wfour", a, b, c)
}

// A column is renamed on one node after the other, and both write meanwhile by
// the name that it has there.
func TestRenamedOneAfterTheOther(t *testing.T) {
	for _, rename := range []string{
		`ALTER TABLE stock RENAME COLUMN doc TO shelf`,
		`CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT, qty INT, shelf TEXT); INSERT INTO n SELECT * FROM stock; DROP TABLE stock; ALTER TABLE n RENAME TO stock`,
	} {
		a, b := pair(t, shelves, "stock")
		converge(t, a, b)
		a.exec(`UPDATE stock SET doc = 'NEW' WHERE id = 2`)
		a.exec(`INSERT INTO stock VALUES (4, 'w', 4, 'four')`)
		a.seal() // b is away
		a.exec(rename)
		a.exec(`UPDATE stock SET shelf = 'three' WHERE id = 3`)
		a.seal()
		b.exec(`UPDATE stock SET doc = 'ONE' WHERE id = 1`)
		b.seal()
		a.greet(b)
		b.exec(rename)
		meetWithNames(a, b)
		want(t, contents, "1xONE 2yNEW 3zthree 4wfour", a, b)
		if n := len(a.conflicts()) + len(b.conflicts()); n != 0 {
			t.Errorf("%d conflicts", n)
		}
	}
}

// A column is renamed after most of its values were written, before any of it
// was seen: the rows that were left alone tell.
func TestRenamedAfterItWasWritten(t *testing.T) {
	for _, key := range []string{"id INTEGER PRIMARY KEY, name TEXT", "id INT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (name, id)"} {
		a, b := pair(t, `CREATE TABLE stock (qty INT, doc TEXT, `+key+`); INSERT INTO stock (id, name, doc) VALUES (1, 'x', 'one'), (2, 'y', 'two'), (3, 'z', NULL), (4, 'w', 'four'), (5, 'v', 'five')`, "stock")
		converge(t, a, b)
		a.exec(`UPDATE stock SET doc = 'uno' WHERE id = 1`)
		a.exec(`UPDATE stock SET doc = NULL WHERE id = 2`)
		a.exec(`UPDATE stock SET doc = 'tre' WHERE id = 3`)
		a.exec(`UPDATE stock SET doc = 'cinque' WHERE id = 5`)
		a.exec(`ALTER TABLE stock RENAME COLUMN doc TO shelf`)
		a.seal()
		a.greet(b)
		b.exec(`ALTER TABLE stock RENAME COLUMN doc TO shelf`)
		meetWithNames(a, b)
		want(t, contents, "1xuno 2y- 3ztre 4wfour 5vcinque", a, b)
	}
}

// Where no value tells whether a column was renamed it is a new one, until a node
// that has values of it tells.
func TestRenamedWhereNothingTells(t *testing.T) {
	for wanted, change := range map[string][]string{
		"1xone": {`ALTER TABLE stock RENAME COLUMN doc TO shelf`},
		"1x-":   {`ALTER TABLE stock DROP COLUMN doc`, `ALTER TABLE stock ADD COLUMN shelf TEXT`},
	} {
		a, b := pair(t, `CREATE TABLE stock (id INTEGER PRIMARY KEY, name TEXT, doc TEXT)`, "stock")
		converge(t, a, b)
		a.exec(`INSERT INTO stock VALUES (1, 'x', 'one')`)
		a.seal()
		for _, n := range []*node{b, a} {
			for _, q := range change {
				n.exec(q)
			}
			n.seal()
		}
		meetWithNames(a, b)
		want(t, contents, wanted, a, b)
	}
}

// A node that took a renamed column for a new one, because it had no value of it,
// is told what it is, and has what came for it and what it wrote itself.
func TestRenamedIsToldTo(t *testing.T) {
	a, b := pair(t, shelves, "stock")
	c := newNode(t, 3, `CREATE TABLE stock (id INTEGER PRIMARY KEY, name TEXT, qty INT, doc TEXT)`)
	c.watch(cdc.WatchOptions{}, "stock")
	meetWithNames(a, b, c)
	const rename = `ALTER TABLE stock RENAME COLUMN doc TO shelf`
	a.exec(`INSERT INTO stock VALUES (4, 'w', 4, 'four')`)
	a.seal()
	b.exec(rename)
	b.exec(`INSERT INTO stock VALUES (5, 'v', 5, 'five')`)
	b.seal()
	c.greet(b)
	c.greet(a)
	for _, v := range []string{"'once'", "'twice'", "NULL"} {
		c.exec(`UPDATE stock SET doc = ` + v + ` WHERE id < 5`)
		c.seal()
	}
	c.exec(rename)
	for _, v := range []string{"'new'", "NULL"} {
		c.exec(`UPDATE stock SET shelf = ` + v + ` WHERE id = 1`)
		c.seal()
	}
	meetWithNames(b, c)
	a.exec(rename)
	meetWithNames(a, b, c)
	want(t, contents, "1x- 2y- 3z- 4w- 5vfive", a, b, c)
	for _, n := range []*node{a, b, c} {
		if list := n.conflicts(); len(list) > 0 {
			t.Errorf("conflicts %+v", list)
		}
	}
}

// A column that is added where another was dropped is no renamed one: what
// those who have it already wrote to it stands.
func TestDroppedAndAddedIsNotRenamed(t *testing.T) {
	for i, change := range [][]string{
		{`ALTER TABLE stock DROP COLUMN doc`, `ALTER TABLE stock ADD COLUMN shelf TEXT`},
		{`ALTER TABLE stock ADD COLUMN shelf TEXT DEFAULT 'none'`, `ALTER TABLE stock DROP COLUMN doc`},
		{`CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT, qty INT, shelf TEXT); INSERT INTO n (id, name, qty) SELECT id, name, qty FROM stock; DROP TABLE stock; ALTER TABLE n RENAME TO stock`},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			a, b := pair(t, shelves, "stock")
			converge(t, a, b)
			for _, n := range []*node{a, b} {
				for _, q := range change {
					n.exec(q)
				}
				n.seal()
				if n == a {
					n.exec(`UPDATE stock SET shelf = 'A' WHERE id = 1`)
					n.seal()
				}
			}
			meetWithNames(a, b)
			rest := a.text(`SELECT coalesce(shelf, '-') FROM stock WHERE id = 2`)
			want(t, contents, "1xA 2y"+rest+" 3z"+rest, a, b)
			if n := len(a.conflicts()) + len(b.conflicts()); n != 0 {
				t.Errorf("%d conflicts", n)
			}
		})
	}
}
