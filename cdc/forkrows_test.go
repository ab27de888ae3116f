package cdc_test

import (
	"testing"

	"sqlsync/cdc"
)

// What only one end of a chain has is said again although no update and no seal
// would say it: what policies have joined, and a row that is held.
func TestForkedChainOfJoinedAndHeldRows(t *testing.T) {
	const schema = `CREATE TABLE items (id INTEGER PRIMARY KEY, code TEXT UNIQUE, n INTEGER, doc TEXT)`
	open := func(seed byte, path, schema string) *node {
		o := renewing(seed, path)
		o.Witness = "" // no copy can notice
		return openNodeWith(t, seed, path, schema, o)
	}
	p, x, y, z := open(1, t.TempDir()+"/p.db", schema), open(2, t.TempDir()+"/x.db", schema), open(3, t.TempDir()+"/y.db", schema), open(4, t.TempDir()+"/z.db", schema)
	for _, n := range []*node{p, x, y, z} {
		n.watch(cdc.WatchOptions{Columns: map[string]string{"n": "counter", "doc": "json"}}, "items")
	}
	p.exec(`INSERT INTO items VALUES (1, 'one', 5, '{}'), (2, 'two', 0, '{}')`)
	converge(t, p, x, y, z)
	q := open(1, p.backup(), "")
	x.exec(`INSERT INTO items VALUES (10, 'taken', 0, '{}')`)
	x.seal()
	for range 2 {
		p.exec(`UPDATE items SET doc = json_set(doc, '$.p', 1) WHERE id = 1`)
		p.seal()
	}
	q.exec(`INSERT INTO items VALUES (20, 'taken', 7, '{}')`)
	q.exec(`UPDATE items SET n = n + 1, doc = json_set(doc, '$.q', 1) WHERE id = 1`)
	q.exec(`UPDATE items SET n = n + 3 WHERE id = 2`)
	q.seal()
	x.meet(p)
	y.meet(q)
	meetings(3, [2]*node{x, y}, [2]*node{z, x}, [2]*node{p, x})
	nodes := []*node{p, x, y, z}
	for i, n := range nodes {
		if got := n.text(`SELECT group_concat(id || code || n, ' ') || (SELECT json_extract(doc, '$.p') || json_extract(doc, '$.q') FROM items WHERE id = 1) FROM (SELECT * FROM items ORDER BY id)`); got != "1one6 2two3 10taken011" {
			t.Errorf("node %d has %s", i, got)
		}
	}
	x.exec(`DELETE FROM items WHERE id = 10`)
	meetings(2, [2]*node{x, y}, [2]*node{z, x}, [2]*node{p, x})
	for i, n := range nodes {
		if got := n.text(`SELECT group_concat(id || code || n, ' ') FROM (SELECT * FROM items ORDER BY id)`); got != "1one6 2two3 20taken7" {
			t.Errorf("node %d has %s", i, got)
		}
		for _, c := range n.conflicts() {
			if c.Kind == "unique" {
				t.Errorf("node %d lists %+v, which is not held", i, c)
			}
		}
	}
}
