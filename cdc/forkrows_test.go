package cdc_test

import (
	"errors"
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
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

// A cell that one end has set to what its column began with is said again, too.
func TestForkedChainOfACellThatBecameNull(t *testing.T) {
	open := func(seed byte, path, schema string) *node {
		o := renewing(seed, path)
		o.Witness = "" // no copy can notice
		return openNodeWith(t, seed, path, schema, o)
	}
	p, x, y := open(1, t.TempDir()+"/p.db", items), open(2, t.TempDir()+"/x.db", items), open(3, t.TempDir()+"/y.db", items)
	for _, n := range []*node{p, x, y} {
		n.watch(cdc.WatchOptions{}, "items")
	}
	p.exec(`INSERT INTO items (id, name, note) VALUES (1, 'one', 'a note')`)
	converge(t, p, x, y)
	q := open(1, p.backup(), "")
	for id := range 2 { // the longer end
		p.exec(`INSERT INTO items (id, name) VALUES (?, 'of p')`, 10+id)
		p.seal()
	}
	q.exec(`UPDATE items SET note = NULL WHERE id = 1`)
	q.seal()
	x.meet(q)
	y.meet(p)
	meetings(3, [2]*node{x, y}, [2]*node{p, y})
	for i, n := range []*node{p, x, y} {
		if got := n.text(`SELECT group_concat(id || coalesce(note, '-'), ' ') FROM (SELECT * FROM items ORDER BY id)`); got != "1- 10- 11-" {
			t.Errorf("node %d has %s", i, got)
		}
	}
}

// Both copies write on while the ends are being merged: then the ends differ again.
func TestForkedChainThatGrowsWhileItIsMerged(t *testing.T) {
	open := func(seed byte, path, schema string) *node {
		o := renewing(seed, path)
		o.Witness = "" // no copy can notice
		return openNodeWith(t, seed, path, schema, o)
	}
	p, x, y := open(1, t.TempDir()+"/p.db", items), open(2, t.TempDir()+"/x.db", items), open(3, t.TempDir()+"/y.db", items)
	for _, n := range []*node{p, x, y} {
		n.watch(cdc.WatchOptions{}, "items")
	}
	p.exec(`INSERT INTO items (id, name) VALUES (1, 'shared')`)
	converge(t, p, x, y)
	q := open(1, p.backup(), "")
	write := func(n *node, id int) {
		n.exec(`INSERT INTO items (id, name) VALUES (?, 'new')`, id)
		n.seal()
	}
	write(p, 10)
	write(q, 20)
	x.meet(p)
	y.meet(q)
	// Each begins to take the other's end, and hears that it has grown before it is there.
	parts := make([]*wire.SnapshotPart, 2)
	for i, pair := range [][2]*node{{x, y}, {y, x}} {
		n, from := pair[0], pair[1]
		if err := n.stream().Confirm(t.Context(), from.Node(), from.vector()); !errors.Is(err, wire.ErrForked) {
			t.Fatalf("no fork was found: %v", err)
		}
		part, err := from.stream().Snapshot(t.Context(), &wire.SnapshotRequest{}, nil)
		if err != nil || len(part.Cursor) > 0 {
			t.Fatalf("a part of more: %v", err)
		}
		parts[i] = part
	}
	write(p, 11)
	write(q, 21)
	x.meet(p)
	y.meet(q)
	for i, pair := range [][2]*node{{x, y}, {y, x}} {
		n, from := pair[0], pair[1]
		if err := n.stream().Confirm(t.Context(), from.Node(), from.vector()); err != nil && !errors.Is(err, wire.ErrForked) {
			t.Fatal(err)
		}
		if _, err := n.stream().TakeSnapshot(t.Context(), from.Node(), parts[i]); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		x.rejoin(y)
		y.rejoin(x)
	}
	converge(t, x, y)
	if got := x.text(`SELECT group_concat(id) FROM (SELECT id FROM items ORDER BY id)`); got != "1,10,11,20,21" {
		t.Errorf("rows are %s", got)
	}
	if here, there := x.vector()[p.Node()], y.vector()[p.Node()]; here != there {
		t.Errorf("the chain ends at %v here and at %v there", here, there)
	}
}
