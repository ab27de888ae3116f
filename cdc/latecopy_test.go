package cdc_test

import (
	"testing"

	"sqlsync/cdc"
)

// A copy from before a deletion comes when one node has forgotten that and another
// has not. Whoever remembers says it again, so that the row is gone everywhere; if
// nobody does, it is a row like any other.
func TestLateCopyOfADeletedRow(t *testing.T) {
	const rows = items + `; INSERT INTO items (id, name) VALUES (1, 'gone'), (2, 'stays'), (3, 'gone, and anew, and gone')`
	for _, test := range []struct {
		name      string
		forgotten bool // by both
		first     int  // whom the copy meets first
		want      string
	}{
		{"met by who has forgotten", false, 0, "2"},
		{"met by who remembers", false, 1, "2"},
		{"forgotten by all", true, 0, "1,2,3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b, c := newNode(t, 1, rows), newNode(t, 2, rows), newNode(t, 3, rows)
			for _, n := range []*node{a, b} {
				n.watch(cdc.WatchOptions{}, "items")
			}
			converge(t, a, b)
			b.exec(`DELETE FROM items WHERE id IN (1, 3)`)
			b.seal()
			b.exec(`INSERT INTO items (id, name) VALUES (3, 'anew')`)
			b.seal()
			b.exec(`DELETE FROM items WHERE id = 3`)
			converge(t, a, b)
			a.prune()
			if test.forgotten {
				b.prune()
			}
			c.watch(cdc.WatchOptions{}, "items")
			c.seal()
			// Its rows are known before it hears of anything.
			first := []*node{a, b}[test.first]
			first.pull(c)
			c.reconcile(&talk{from: first})
			for range 2 {
				for _, p := range [][2]*node{{a, b}, {b, a}, {a, c}, {b, c}} {
					p[0].pull(p[1])
				}
				c.reconcile(&talk{from: a})
				c.pull(a)
				c.reconcile(&talk{from: b})
				c.pull(b)
				for _, n := range []*node{a, b, c} {
					n.seal()
				}
			}
			want := a.digest()["items"]
			for _, n := range []*node{a, b, c} {
				if got := n.text(`SELECT group_concat(id) FROM (SELECT id FROM items ORDER BY id)`); got != test.want || n.digest()["items"] != want {
					t.Errorf("%v has %s, want %s", n.Node(), got, test.want)
				}
			}
		})
	}
}
