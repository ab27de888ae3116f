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
