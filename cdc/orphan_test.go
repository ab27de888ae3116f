package cdc_test

import (
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// Who is in the middle of a snapshot writes to a row of it. A peer that has not been
// told of the row is sent the update first; it is merged when the row comes.
func TestUpdateThatComesBeforeItsRow(t *testing.T) {
	a, b, c := newNode(t, 1, items), newNode(t, 2, items), newNode(t, 3, items)
	for _, n := range []*node{a, b, c} {
		n.watch(cdc.WatchOptions{}, "items")
	}
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one'), (2, 'two')`)
	a.seal()
	part, err := a.stream().Snapshot(t.Context(), &wire.SnapshotRequest{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	part.Cursor = wire.AppendRow(nil, []wire.Value{"items", int64(2)}) // there is more to come
	if _, err := b.stream().TakeSnapshot(t.Context(), a.Node(), part); err != nil {
		t.Fatal(err)
	}
	b.exec(`UPDATE items SET name = 'changed' WHERE id = 1`)
	c.pull(b)
	if list := c.conflicts(); len(list) != 1 || list[0].Kind != "row" {
		t.Fatalf("listed: %+v", list)
	}
	c.pull(a)
	if got := c.text(`SELECT group_concat(name) FROM items`); got != "changed,two" {
		t.Errorf("rows are %s", got)
	}
	if list := c.conflicts(); len(list) != 0 {
		t.Errorf("still listed: %+v", list)
	}
	a.pull(b)
	converge(t, a, c)
}
