package cdc_test

import (
	"testing"

	"sqlsync/cdc"
)

const readings = `CREATE TABLE readings (id INTEGER PRIMARY KEY, at TEXT, v REAL)`

// Rows are only added; what a node changes or drops of them stays there.
func TestAppend(t *testing.T) {
	a, b := newNode(t, 1, readings), newNode(t, 2, readings)
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{Policy: "append"}, "readings")
	}
	a.exec(`INSERT INTO readings VALUES (1, 'mon', 1), (2, 'tue', 2)`)
	b.exec(`INSERT INTO readings VALUES (3, 'wed', 3)`)
	converge(t, a, b)
	a.exec(`DELETE FROM readings WHERE id = 1; UPDATE readings SET v = 9 WHERE id = 2`)
	b.exec(`INSERT INTO readings VALUES (4, 'thu', 4)`)
	exchange(a, b)
	if got := a.text(`SELECT group_concat(id || at || v, ' ') FROM readings`); got != "2tue9.0 3wed3.0 4thu4.0" {
		t.Errorf("A has %s", got)
	}
	if got := b.text(`SELECT group_concat(id || at || v, ' ') FROM readings`); got != "1mon1.0 2tue2.0 3wed3.0 4thu4.0" {
		t.Errorf("B has %s", got)
	}
	a.exec(`INSERT INTO readings VALUES (7, 'x', 1)`)
	a.seal()
	b.exec(`INSERT INTO readings VALUES (7, 'y', 1), (8, 'same', 1)`)
	a.exec(`INSERT INTO readings VALUES (8, 'same', 1)`)
	exchange(a, b)
	for _, n := range []*node{a, b} {
		if list := n.conflicts(); len(list) != 1 || list[0].Kind != "key" {
			t.Errorf("conflicts are %+v", list)
		}
		if got := n.text(`SELECT at FROM readings WHERE id = 7`); got != "y" {
			t.Errorf("row 7 is %s", got)
		}
	}
}

// Every node numbers the rows itself, so none is lost and none comes twice.
func TestLocalIDs(t *testing.T) {
	const rows = readings + `; INSERT INTO readings VALUES (1, 'old', 0), (2, 'old', 1)`
	a, b, c := newNode(t, 1, rows), newNode(t, 2, rows), newNode(t, 3, readings)
	for _, n := range []*node{a, b, c} {
		n.watch(cdc.WatchOptions{Policy: "append", IDs: "local"}, "readings")
	}
	a.exec(`INSERT INTO readings (at, v) VALUES ('a', 1), ('a', 2)`)
	b.exec(`INSERT INTO readings (at, v) VALUES ('b', 1), ('b', 2)`)
	c.exec(`INSERT INTO readings (at, v) VALUES ('c', 1)`)
	converge(t, a, b, c)
	b.exec(`INSERT INTO readings (at, v) VALUES ('b', 3)`)
	c.exec(`DELETE FROM readings WHERE at = 'a'`)
	exchange(a, b, c)
	for i, want := range []string{"8", "8", "6"} {
		if got := []*node{a, b, c}[i].text(`SELECT count(*) FROM readings`); got != want {
			t.Errorf("node %d has %s rows, want %s", i, got, want)
		}
	}
	for _, n := range []*node{a, b, c} {
		if list := n.conflicts(); len(list) != 0 {
			t.Errorf("conflicts are %+v", list)
		}
	}
}

const tickets = `CREATE TABLE tickets (id INTEGER PRIMARY KEY AUTOINCREMENT, who TEXT);
	CREATE TABLE notes (id TEXT PRIMARY KEY, ticket INTEGER REFERENCES tickets, text TEXT)`

// With a range each, nodes that insert at the same time never meet, also after
// each has the other's larger ids.
func TestRangesOfIDs(t *testing.T) {
	a, b := newNode(t, 1, tickets+`; INSERT INTO tickets (who) VALUES ('old')`), newNode(t, 2, tickets)
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{IDs: "range"}, "tickets")
	}
	for range 4 {
		a.exec(`INSERT INTO tickets (who) VALUES ('a'), ('a')`)
		b.exec(`INSERT INTO tickets (who) VALUES ('b')`)
		a.exec(`INSERT INTO tickets (who) VALUES ('a')`)
		converge(t, a, b)
	}
	if got := a.text(`SELECT count(*) || ' ' || (max(id) < 9007199254740992) FROM tickets`); got != "17 1" {
		t.Errorf("tickets and whether ids are small: %s", got)
	}
	if n := len(a.conflicts()) + len(b.conflicts()); n != 0 {
		t.Errorf("%d conflicts, want none", n)
	}
}

// The row that loses its id gets another, and what referred to it follows.
func TestRekey(t *testing.T) {
	a, b := newNode(t, 1, tickets), newNode(t, 2, tickets)
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{IDs: "rekey"}, "tickets")
		n.watch(cdc.WatchOptions{}, "notes")
	}
	a.exec(`INSERT INTO tickets (who) VALUES ('first a'), ('second a')`)
	a.exec(`INSERT INTO notes VALUES ('na', 1, 'of a'), ('na2', 2, 'of a')`)
	a.seal()
	b.exec(`INSERT INTO tickets (who) VALUES ('first b')`)
	b.exec(`INSERT INTO notes VALUES ('nb', 1, 'of b')`)
	converge(t, a, b)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		got := n.text(`SELECT group_concat(who || ':' || n, ', ') FROM
			(SELECT t.who AS who, group_concat(n.id) AS n FROM tickets AS t JOIN notes AS n ON n.ticket = t.id GROUP BY t.id ORDER BY t.who)`)
		if got != "first a:na, first b:nb, second a:na2" {
			t.Errorf("tickets and notes are %s", got)
		}
		if list := n.conflicts(); len(list) != 1 || list[0].Kind != "key" {
			t.Errorf("conflicts are %+v", list)
		}
	}
}
