package cdc_test

import (
	"fmt"
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// Rows that a peer tells which is behind have lost nothing: what came of them was
// seen by whoever deleted them.
func TestSnapshotOfAPeerThatIsBehind(t *testing.T) {
	a, b := pair(t, items, "items")
	c := newNode(t, 3, items)
	c.watch(cdc.WatchOptions{}, "items")
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one'), (2, 'two')`)
	a.seal()
	a.exec(`UPDATE items SET qty = 1`)
	converge(t, a, b, c)
	a.exec(`DELETE FROM items WHERE id = 1`)
	a.seal()
	a.exec(`UPDATE items SET qty = 2 WHERE id = 2`)
	b.pull(a)
	b.takeFrom(c)
	if list := b.conflicts(); len(list) > 0 {
		t.Errorf("listed: %+v", list)
	}
	converge(t, a, b, c)
}

// Who writes to a row that a snapshot brought, before that has ended, writes later
// than whoever made the row, whatever the clocks say.
func TestWritesInTheMiddleOfASnapshot(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id, name) VALUES (0, 'first')`)
	a.seal()
	a.exec(`UPDATE sqlsync_node SET hlc = hlc + 60000 * 65536`) // its clock is a minute ahead
	a.exec(fmt.Sprintf(manyItems, 2500))
	a.seal()
	a.prune()
	ctx := t.Context()
	to, from := b.stream(), a.stream()
	req, err := to.TakeSnapshot(ctx, a.Node(), nil)
	for req != nil && err == nil {
		var part *wire.SnapshotPart
		if part, err = from.Snapshot(ctx, req, nil); err == nil {
			req, err = to.TakeSnapshot(ctx, a.Node(), part)
		}
		b.exec(`UPDATE items SET note = 'written'`)
		b.seal()
	}
	if err != nil {
		t.Fatal(err)
	}
	converge(t, a, b)
	if n := a.text(`SELECT count(*) FROM items WHERE note IS NULL`); n != "0" {
		t.Errorf("%s rows are as they were", n)
	}
}
