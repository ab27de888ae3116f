package cdc_test

import (
	"errors"
	"testing"
	"time"

	"sqlsync/cdc"
)

// same checks that nodes list the same conflicts under the same ids.
func (n *node) listsAs(o *node) {
	n.t.Helper()
	ids := func(n *node) map[string]string {
		m := map[string]string{}
		for _, c := range n.conflicts() {
			m[c.ID] = c.Kind
		}
		return m
	}
	a, b := ids(n), ids(o)
	for id, kind := range a {
		if b[id] != kind {
			n.t.Errorf("conflict %s is %q here and %q there", id, kind, b[id])
		}
	}
	if len(a) != len(b) {
		n.t.Errorf("%d conflicts here, %d there", len(a), len(b))
	}
}

// What its own side had replaced is lost to nobody.
func TestReplacedValueIsNotListed(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id, qty) VALUES (1, 0)`)
	converge(t, a, b)
	a.exec(`UPDATE items SET qty = 1`)
	a.seal()
	a.exec(`UPDATE items SET qty = 2`)
	a.seal()
	b.exec(`UPDATE items SET qty = 9`)
	converge(t, a, b)
	a.listsAs(b)
	if list := b.conflicts(); len(list) != 1 || list[0].Loser[0].Value != int64(2) || list[0].Winner[0].Value != int64(9) {
		t.Errorf("conflicts are %+v", list)
	}
}

// Three nodes list the same, in whatever order they hear of one another.
func TestConflictsDoNotDependOnTheOrder(t *testing.T) {
	orders := [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	if testing.Short() {
		orders = orders[:2]
	}
	for _, order := range orders {
		var nodes []*node
		for i := range 3 {
			n := newNode(t, byte(i+1), `CREATE TABLE k (id TEXT PRIMARY KEY, v)`)
			n.watch(cdc.WatchOptions{}, "k")
			n.exec(`INSERT INTO k VALUES ('k', ?)`, []int{1, 2, 1}[i])
			n.seal()
			nodes = append(nodes, n)
		}
		for i, n := range nodes {
			n.pull(nodes[order[i]])
		}
		converge(t, nodes...)
		nodes[0].listsAs(nodes[1])
		nodes[0].listsAs(nodes[2])
	}
}

// A write that loses two cells to two others is one conflict, with both.
func TestOneWriteThatLosesTwice(t *testing.T) {
	a, b := pair(t, items, "items")
	c := newNode(t, 3, items)
	c.watch(cdc.WatchOptions{}, "items")
	a.exec(`INSERT INTO items (id, name, qty) VALUES (1, 'x', 0)`)
	converge(t, a, b, c)
	a.exec(`UPDATE items SET name = 'a', qty = 1`)
	a.seal()
	b.exec(`UPDATE items SET name = 'b'`)
	c.exec(`UPDATE items SET qty = 3`)
	converge(t, a, b, c)
	for _, n := range []*node{a, b, c} {
		if list := n.conflicts(); len(list) != 1 || len(list[0].Loser) != 2 {
			t.Errorf("conflicts are %+v", list)
		}
	}
}

// A baseline that is deleted by a node that had another one is not lost
// unlisted.
func TestBaselineThatIsDeletedUnseenIsListed(t *testing.T) {
	a := newNode(t, 1, items+`; INSERT INTO items (id, name) VALUES (1, 'x'), (2, 'same')`)
	b := newNode(t, 2, items+`; INSERT INTO items (id, name) VALUES (1, 'y'), (2, 'same')`)
	b.watch(cdc.WatchOptions{}, "items")
	a.watch(cdc.WatchOptions{}, "items")
	a.exec(`DELETE FROM items`)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		found := false
		for _, c := range n.conflicts() {
			for _, v := range c.Loser {
				found = found || v.Value == "y"
			}
			if c.Key[0].Value != int64(1) {
				t.Errorf("listed is %+v", c)
			}
		}
		if !found {
			t.Errorf("the value y is not listed: %+v", n.conflicts())
		}
	}
}

// Restoring is a change like any other.
func TestRestore(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id, name, qty) VALUES (1, 'x', 5), (2, 'z', 6)`)
	converge(t, a, b)
	a.exec(`UPDATE items SET qty = 1 WHERE id = 1; UPDATE items SET qty = 7 WHERE id = 2`)
	a.seal()
	b.exec(`UPDATE items SET qty = 9, note = 'n' WHERE id = 1; DELETE FROM items WHERE id = 2`)
	converge(t, a, b)
	list := a.conflicts()
	if err := a.DismissConflicts(t.Context(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	if n := len(a.conflicts()); n != len(list)-1 {
		t.Errorf("%d conflicts of %d are listed after one was dismissed", n, len(list))
	}
	for _, c := range b.conflicts() {
		if err := b.RestoreConflict(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
	}
	converge(t, a, b)
	if got := a.text(`SELECT group_concat(id || name || qty || coalesce(note, ''), ' ') FROM items`); got != "1x1n 2z7" {
		t.Errorf("rows are %s", got)
	}
	if n := len(b.conflicts()); n != 0 {
		t.Errorf("%d conflicts are listed still", n)
	}
	if list := a.conflicts(); len(list) != 0 {
		t.Errorf("A lists %+v, which B has restored", list)
	}
	if err := a.RestoreConflict(t.Context(), "none"); !errors.Is(err, cdc.ErrNoConflict) {
		t.Errorf("restore of nothing: %v", err)
	}
}

// A value that had lost to another where a third was written is not what the
// third replaced, and stays listed where the third comes on top of a fourth.
func TestLoserThatOthersSawLostStaysListed(t *testing.T) {
	nodes := make([]*node, 5)
	for i := range nodes {
		nodes[i] = newNode(t, byte(i+1), items)
		nodes[i].watch(cdc.WatchOptions{}, "items")
	}
	a, b, c, d, e := nodes[0], nodes[1], nodes[2], nodes[3], nodes[4]
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'first')`)
	converge(t, nodes...)
	write := func(n *node, name string) {
		for at := time.Now().UnixMilli(); time.Now().UnixMilli() == at; { // later than the one before
		}
		n.exec(`UPDATE items SET name = ?`, name)
		n.seal()
	}
	write(a, "lost to two")
	write(b, "lost here and there")
	write(c, "lost to d")
	d.pull(a)
	d.pull(b)
	write(d, "stands")
	e.pull(a)
	e.pull(c)
	e.pull(b)
	e.pull(d)
	converge(t, nodes...)
	for i, n := range nodes {
		if got := n.text(`SELECT name FROM items`); got != "stands" {
			t.Fatalf("node %d has %s", i, got)
		}
	}
	listed := false
	for _, con := range e.conflicts() {
		listed = listed || con.Loser[0].Value == "lost to two"
	}
	if !listed {
		t.Errorf("conflicts: %+v", e.conflicts())
	}
}

// A key that equals another by its collation is the same row, and its conflict
// the same conflict.
func TestConflictUnderKeysThatOnlyCompareEqual(t *testing.T) {
	a, b := pair(t, `CREATE TABLE tags (name TEXT COLLATE NOCASE PRIMARY KEY, n INT)`, "tags")
	a.exec(`INSERT INTO tags VALUES ('Red', 1)`)
	a.seal()
	b.exec(`INSERT INTO tags VALUES ('RED', 2)`)
	converge(t, a, b)
	x, y := a.conflicts(), b.conflicts()
	if len(x) != 1 || len(y) != 1 || x[0].ID != y[0].ID {
		t.Fatalf("A lists %+v, B lists %+v", x, y)
	}
	for _, c := range []cdc.Conflict{x[0], y[0]} {
		if c.Key[0].Value != "RED" {
			t.Errorf("the key is %v, want it as it stands", c.Key)
		}
	}
	b.exec(`UPDATE tags SET n = 1 WHERE name = 'red'`)
	converge(t, a, b)
}

// What an application writes back itself is lost no longer, anywhere.
func TestRestoredElsewhere(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id, name, qty) VALUES (1, 'x', 5)`)
	converge(t, a, b)
	a.exec(`UPDATE items SET qty = 1`)
	a.seal()
	b.exec(`UPDATE items SET qty = 9`)
	converge(t, a, b)
	if x, y := len(a.conflicts()), len(b.conflicts()); x != 1 || y != 1 {
		t.Fatalf("%d and %d conflicts, want one each", x, y)
	}
	b.exec(`UPDATE items SET name = 'y'`)
	converge(t, a, b)
	if len(a.conflicts()) != 1 {
		t.Error("the conflict is gone though nobody put the value back")
	}
	b.exec(`UPDATE items SET qty = 1`)
	converge(t, a, b)
	if list := a.conflicts(); len(list) != 0 {
		t.Errorf("listed are still %+v", list)
	}
}

// What cannot be put back says why, and stays on the list.
func TestRestoreThatFails(t *testing.T) {
	a, b := pair(t, `CREATE TABLE u (id INTEGER PRIMARY KEY, mail TEXT UNIQUE)`, "u")
	a.exec(`INSERT INTO u VALUES (1, 'x'), (2, 'other')`)
	converge(t, a, b)
	a.exec(`UPDATE u SET mail = 'a' WHERE id = 1`)
	a.seal()
	b.exec(`UPDATE u SET mail = 'b' WHERE id = 1`)
	converge(t, a, b)
	a.exec(`UPDATE u SET mail = 'a' WHERE id = 2`)
	list := a.conflicts()
	if err := a.RestoreConflict(t.Context(), list[0].ID); !errors.Is(err, cdc.ErrRefused) {
		t.Errorf("restore where another row has the value: %v", err)
	}
	if len(a.conflicts()) != 1 {
		t.Error("the conflict is off the list")
	}
	if got := a.text(`SELECT mail FROM u WHERE id = 1`); got != "b" {
		t.Errorf("mail is %s", got)
	}
}
