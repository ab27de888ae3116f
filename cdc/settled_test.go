package cdc_test

import (
	"fmt"
	"strings"
	"testing"

	"sqlsync/cdc"
)

// A chain of inserts of one id: each conflict names where its own row is.
func TestRekeyedNamesItsOwn(t *testing.T) {
	for _, order := range []string{"abcabc", "bacbca"} {
		t.Run(order, func(t *testing.T) {
			nodes := rekeyNodes(t, 3, `CREATE TABLE orders (id INTEGER PRIMARY KEY, who TEXT)`, []string{"orders"}, nil)
			for i, n := range nodes {
				n.exec(`INSERT INTO orders VALUES (1, ?)`, fmt.Sprint(i))
				n.seal()
			}
			for i := range order { // each pulls from the one before
				if i > 0 {
					nodes[order[i]-'a'].pull(nodes[order[i-1]-'a'])
				}
			}
			exchange(nodes...)
			converge(t, nodes...)
			for i, n := range nodes {
				if got := n.text(`SELECT group_concat(who, '') FROM (SELECT who FROM orders ORDER BY who)`); got != "012" {
					t.Errorf("node %d has %s", i, got)
				}
				for _, c := range n.conflicts() {
					if len(c.Rekeyed) != 1 || n.text(`SELECT who FROM orders WHERE id = ?`, c.Rekeyed[0].Value) != c.Loser[len(c.Loser)-1].Value {
						t.Errorf("node %d lists %+v", i, c)
					}
				}
			}
		})
	}
}

// What was restored is no conflict any more, on any node, whichever restores
// it: also not of baselines, of which the other one would be listed instead.
func TestRestoreLeavesEveryList(t *testing.T) {
	for _, by := range []int{1, 2} {
		t.Run(fmt.Sprint(by), func(t *testing.T) {
			var nodes []*node
			for i := range 3 {
				n := newNode(t, byte(i+1), items)
				n.exec(`INSERT INTO items VALUES (1, ?, ?, NULL), (2, 'same', 5, NULL)`, []string{"one", "uno", "one"}[i], []int{1, 1, 3}[i])
				n.watch(cdc.WatchOptions{}, "items")
				nodes = append(nodes, n)
			}
			converge(t, nodes...)
			restored := 0
			for _, c := range nodes[by].conflicts() {
				if c.Kind != "baseline" {
					t.Errorf("listed is %+v", c)
				}
				if err := nodes[by].RestoreConflict(t.Context(), c.ID); err != nil {
					t.Error(err)
				}
				restored++
			}
			converge(t, nodes...)
			for i, n := range nodes {
				if list := n.conflicts(); len(list) > 0 {
					t.Errorf("node %d lists %+v", i, list)
				}
				if got := n.text(`SELECT name || qty FROM items WHERE id = 1`); restored != 2 || got != "uno3" {
					t.Errorf("%d restored, and node %d has %s", restored, i, got)
				}
			}
		})
	}
}

// So it is with columns that have policies of their own.
func TestRestoreOfPolicies(t *testing.T) {
	for policy, values := range map[string][2]any{"counter": {int64(3), int64(8)}, "json": {`{"a":1}`, `{"a":2}`}, "sql::remote": {"x", "y"}} {
		t.Run(policy, func(t *testing.T) {
			column := "note"
			if policy == "counter" {
				column = "qty"
			}
			var nodes []*node
			for i := range 3 {
				n := newNode(t, byte(i+1), items)
				n.exec(`INSERT INTO items (id, name, `+column+`) VALUES (1, ?, ?)`, []string{"one", "uno", "one"}[i], values[i%2])
				n.watch(cdc.WatchOptions{Columns: map[string]string{column: policy}}, "items")
				nodes = append(nodes, n)
			}
			converge(t, nodes...)
			for _, c := range nodes[2].conflicts() {
				if err := nodes[2].RestoreConflict(t.Context(), c.ID); err != nil {
					t.Error(err)
				}
			}
			converge(t, nodes...)
			for i, n := range nodes {
				if list := n.conflicts(); len(list) > 0 {
					t.Errorf("node %d lists %+v", i, list)
				}
				if got := n.text(`SELECT name || ' ' || ` + column + ` FROM items`); got != fmt.Sprint("uno ", values[1]) {
					t.Errorf("node %d has %s", i, got)
				}
			}
		})
	}
}

// What is turned by a join is listed the other way round everywhere, and
// can be restored in turn.
func TestTurnedIsListed(t *testing.T) {
	var nodes []*node
	for i := range 3 {
		n := newNode(t, byte(i+1), items)
		n.exec(`INSERT INTO items VALUES (1, ?, 1, NULL)`, []string{"one", "uno", "one"}[i])
		n.watch(cdc.WatchOptions{}, "items")
		nodes = append(nodes, n)
	}
	converge(t, nodes...)
	if n, err := nodes[1].TurnConflicts(t.Context(), nodes[1].conflicts()); n != 1 || err != nil {
		t.Fatalf("%d turned, %v", n, err)
	}
	converge(t, nodes...)
	for i, n := range nodes {
		if list := n.conflicts(); len(list) != 1 || list[0].Winner[0].Value != "uno" || list[0].Loser[0].Value != "one" {
			t.Errorf("node %d lists %+v", i, list)
		}
	}
	if err := nodes[2].RestoreConflict(t.Context(), nodes[2].conflicts()[0].ID); err != nil {
		t.Fatal(err)
	}
	converge(t, nodes...)
	for i, n := range nodes {
		if list := n.conflicts(); len(list) != 0 || n.text(`SELECT name FROM items`) != "one" {
			t.Errorf("node %d lists %+v", i, list)
		}
	}
}

// A row that was lost under a former author gets its key from the present one,
// and every node lists which.
func TestRekeyedAfterPutBack(t *testing.T) {
	a, b := renewingPair(t, items+`; CREATE TABLE notes (id TEXT PRIMARY KEY, item INTEGER REFERENCES items)`, cdc.WatchOptions{IDs: "rekey"})
	c := newNode(t, 3, items+`; CREATE TABLE notes (id TEXT PRIMARY KEY, item INTEGER REFERENCES items)`)
	c.watch(cdc.WatchOptions{IDs: "rekey"}, "items")
	for _, n := range []*node{a, b, c} {
		n.watch(cdc.WatchOptions{}, "notes")
	}
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'of a')`)
	a.seal()
	c.pull(a)
	c.exec(`INSERT INTO notes VALUES ('on a', 1)`)
	c.seal()
	backup := a.backup()
	a.exec(`INSERT INTO items (id, name) VALUES (7, 'later')`)
	a.seal()
	c.pull(a)
	a.shut()
	move(t, backup, a.path)
	older := renewingNode(t, 1, a.path, "")
	b.exec(`INSERT INTO items (id, name) VALUES (1, 'of b')`)
	b.seal()
	exchange(older, b, c)
	converge(t, older, b, c)
	for i, n := range []*node{older, b, c} {
		list := n.conflicts()
		if len(list) != 1 || len(list[0].Rekeyed) != 1 || n.text(`SELECT name FROM items WHERE id = ?`, list[0].Rekeyed[0].Value) != "of a" {
			t.Errorf("node %d lists %+v", i, list)
		}
		if got := n.text(`SELECT name FROM notes JOIN items ON items.id = item`); got != "of a" {
			t.Errorf("node %d: the note is on %q", i, got)
		}
	}
}

// A write that lost to another row with its key has lost where that row was
// written to, too, though the write is later than the row.
func TestWriteIsLostToAnotherRow(t *testing.T) {
	var nodes []*node
	for i := range 5 {
		n := newNode(t, byte(i+1), items)
		n.watch(cdc.WatchOptions{}, "items")
		nodes = append(nodes, n)
	}
	a, b, c, d, e := nodes[0], nodes[1], nodes[2], nodes[3], nodes[4]
	for _, n := range []*node{a, c, e} {
		n.exec(`INSERT INTO items (id, name) VALUES (1, 'a row')`)
		n.exec(`UPDATE items SET note = ?`, n.path)
		n.seal()
	}
	d.pull(a)
	d.exec(`UPDATE items SET name = 'lost', qty = 7`)
	d.seal()
	b.pull(e)
	b.pull(d)
	c.pull(d)
	c.exec(`UPDATE items SET name = 'replaces another'`)
	c.seal()
	b.pull(c)
	converge(t, nodes...)
	for i, n := range nodes {
		found := ""
		for _, l := range n.conflicts() {
			for _, v := range l.Loser {
				if v.Value == "lost" || v.Name == "qty" && v.Value == int64(7) {
					found += v.Name
				}
			}
		}
		if !strings.Contains(found, "name") || !strings.Contains(found, "qty") {
			t.Errorf("node %d lists of what was lost %q: %+v", i, found, n.conflicts())
		}
	}
}
