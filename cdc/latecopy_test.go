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

// A node that was away has inserted a row before another was inserted under its key
// and deleted. One has forgotten that and takes the row for new, another has not.
func TestLateInsertOlderThanADeletion(t *testing.T) {
	for name, first := range map[string]int{"met by who has forgotten": 0, "met by who remembers": 1} {
		t.Run(name, func(t *testing.T) {
			a, b, c := newNode(t, 1, items), newNode(t, 2, items), newNode(t, 3, items)
			nodes := []*node{a, b, c}
			for _, n := range nodes {
				n.watch(cdc.WatchOptions{}, "items")
			}
			c.exec(`INSERT INTO items (id, name) VALUES (1, 'of the one away'), (2, 'stays')`)
			c.seal()
			b.exec(`INSERT INTO items (id, name) VALUES (1, 'deleted')`)
			b.seal()
			b.exec(`DELETE FROM items WHERE id = 1`)
			a.pull(b)
			a.prune()
			[]*node{a, b}[first].pull(c)
			converge(t, a, b)
			c.rejoin(b)
			meetings(2, [2]*node{a, b}, [2]*node{b, c})
			for _, n := range nodes {
				if got := n.text(`SELECT group_concat(id) FROM items`); got != "2" {
					t.Errorf("%v has %s, want 2", n.Node(), got)
				}
				if list := n.conflicts(); n != a && len(list) == 0 {
					t.Errorf("%v does not list what was lost", n.Node())
				}
			}
			changes := a.changes() + b.changes() + c.changes()
			meetings(2, [2]*node{a, b}, [2]*node{b, c}, [2]*node{a, c})
			if n := a.changes() + b.changes() + c.changes() - changes; n != 0 {
				t.Errorf("it is said again %d times more", n)
			}
		})
	}
}
