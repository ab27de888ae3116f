package cdc_test

import (
	"testing"

	"sqlsync/cdc"
)

// kinds returns the kinds of a node's conflicts, in their order.
func (n *node) kinds() (list string) {
	for _, c := range n.conflicts() {
		list += c.Kind + " "
	}
	return list
}

func TestUpdateThatLosesToTheDeleteOfAWholeRowIsListed(t *testing.T) {
	a, b := newNode(t, 1, items), newNode(t, 2, items)
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{Policy: "row"}, "items")
	}
	a.exec(`INSERT INTO items VALUES (1, 'one', 1, NULL)`)
	converge(t, a, b)
	a.exec(`UPDATE items SET qty = 8`)
	a.seal()
	b.exec(`DELETE FROM items`)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.kinds(); got != "row " {
			t.Errorf("conflicts are %q, want the update", got)
		}
	}
}
