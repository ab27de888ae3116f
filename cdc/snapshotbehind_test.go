package cdc_test

import (
	"testing"

	"sqlsync/cdc"
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
