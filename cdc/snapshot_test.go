package cdc_test

import (
	"fmt"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// takeFrom brings a node a snapshot of another's dataset, part by part.
func (n *node) takeFrom(from *node) (parts int) {
	n.t.Helper()
	to, src := n.Stream(cdc.DefaultDataset), from.Stream(cdc.DefaultDataset)
	req, err := to.TakeSnapshot(n.t.Context(), from.Node(), nil)
	for req != nil && err == nil {
		var part *wire.SnapshotPart
		if part, err = src.Snapshot(n.t.Context(), req, n.wants(cdc.DefaultDataset)); err == nil {
			parts++
			req, err = to.TakeSnapshot(n.t.Context(), from.Node(), part)
		}
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return parts
}

func (n *node) prune() cdc.Pruned {
	n.t.Helper()
	p, err := n.Prune(n.t.Context(), cdc.DefaultDataset, cdc.PruneOptions{All: true})
	if err != nil {
		n.t.Fatal(err)
	}
	return p
}

// A node that lacks what was pruned gets a snapshot, keeps what it wrote itself,
// goes on with the chains, and brings nothing back that was deleted.
func TestSnapshotForANodeThatWasAway(t *testing.T) {
	policies := cdc.WatchOptions{Columns: map[string]string{"qty": "counter", "doc": "json", "seen": "max"}}
	a, b, c := newNode(t, 1, stock), newNode(t, 2, stock), newNode(t, 3, stock)
	nodes := []*node{a, b, c}
	for _, n := range nodes {
		n.watch(policies, "stock")
	}
	a.exec(`INSERT INTO stock VALUES (1, 'tea', 10, 1.5, 1, '{"a":1}', 'x', NULL), (2, 'oil', 5, 1, 1, 'none', '', 1), (3, 'gone', 0, 0, 0, '', '', NULL), (4, 'back', 0, 0, 0, '', '', NULL)`)
	converge(t, nodes...)
	c.exec(`UPDATE stock SET qty = qty - 1, doc = '{"a":1,"c":3}', name = 'mine' WHERE id = 1`)
	c.exec(`INSERT INTO stock (id, name) VALUES (9, 'of c')`)
	c.exec(`UPDATE stock SET name = 'kept by c' WHERE id = 3`)
	a.exec(`UPDATE stock SET qty = qty + 5, doc = '{"a":2}' WHERE id = 1; DELETE FROM stock WHERE id IN (3, 4); INSERT INTO stock (id, name) VALUES (4, 'again'), (7, 'new')`)
	b.exec(`UPDATE stock SET qty = qty * 2, seen = 8 WHERE id = 2`)
	exchange(a, b)
	if p := a.prune(); p.Batches == 0 || p.Tombstones == 0 {
		t.Fatalf("pruned %+v", p)
	}
	b.prune()
	if err := a.Seal(t.Context(), cdc.DefaultDataset); err != nil {
		t.Fatal(err)
	}
	c.seal()
	c.takeFrom(a)
	converge(t, a, b, c)
	for _, n := range nodes {
		got := n.text(`SELECT group_concat(id || name || qty || doc, ' ') FROM (SELECT id, name, coalesce(qty, '-') AS qty, coalesce(doc, '-') AS doc FROM stock ORDER BY id)`)
		if want := `1mine14{"a":2,"c":3} 2oil10none 4again-- 7new-- 9of c--`; got != want {
			t.Errorf("rows are %s, want %s", got, want)
		}
	}
	if list := c.conflicts(); len(list) != 1 || list[0].Kind != "delete" {
		t.Errorf("conflicts are %+v", list)
	}
	// And on it goes, by batches, in every direction.
	c.exec(`UPDATE stock SET qty = qty + 1 WHERE id = 1`)
	a.exec(`UPDATE stock SET qty = qty + 1 WHERE id = 1`)
	converge(t, a, b, c)
	if got := b.text(`SELECT qty FROM stock WHERE id = 1`); got != "16" {
		t.Errorf("qty is %s, want 16", got)
	}
}

// A snapshot that is broken off goes on where it was.
func TestSnapshotGoesOn(t *testing.T) {
	a, b := newNode(t, 1, items), newNode(t, 2, items)
	a.watch(cdc.WatchOptions{}, "items")
	b.watch(cdc.WatchOptions{}, "items")
	a.exec(`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 9000) INSERT INTO items (id, name, qty) SELECT i, 'item ' || i, i FROM n`)
	a.exec(`UPDATE items SET qty = 0 WHERE id % 3 = 0`)
	a.seal()
	a.prune()
	to, from := b.Stream(cdc.DefaultDataset), a.Stream(cdc.DefaultDataset)
	req, err := to.TakeSnapshot(t.Context(), a.Node(), nil)
	for range 2 {
		if err != nil {
			t.Fatal(err)
		}
		var part *wire.SnapshotPart
		if part, err = from.Snapshot(t.Context(), req, nil); err == nil {
			req, err = to.TakeSnapshot(t.Context(), a.Node(), part)
		}
	}
	a.exec(`UPDATE items SET name = 'later' WHERE id IN (1, 8999)`)
	if parts := b.takeFrom(a); parts != 3 {
		t.Errorf("went on with %d parts, want the 3 that were left", parts)
	}
	converge(t, a, b)
}

// A peer that was away for long does not bring back what was deleted, when it is
// that peer's snapshot which is taken.
func TestSnapshotOfAStalePeer(t *testing.T) {
	a, b := pair(t, items+`; INSERT INTO items (id, name) VALUES (1, 'one'), (2, 'two'), (3, 'three')`, "items")
	converge(t, a, b)
	a.exec(`DELETE FROM items WHERE id = 2`)
	a.seal()
	if p := a.prune(); p.Tombstones != 1 {
		t.Fatalf("pruned %+v", p)
	}
	b.exec(`UPDATE items SET name = 'uno' WHERE id = 1`)
	b.seal()
	a.takeFrom(b)
	if got := a.text(`SELECT group_concat(name) FROM items`); got != "uno,three" {
		t.Errorf("rows are %s", got)
	}
}

// Nothing is pruned that a remote has not confirmed, unless it has been away for
// longer than it may be.
func TestPruneWaitsForRemotes(t *testing.T) {
	a, b := pair(t, items, "items")
	if err := a.AddRemote(t.Context(), cdc.Remote{Name: "till", Key: b.Node(), Pull: true, Push: true}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		a.exec(fmt.Sprintf(`INSERT INTO items (id) VALUES (%d)`, i))
		a.seal()
	}
	if p := a.prune(); p.Batches != 0 || len(p.Blocked) != 1 || p.Blocked[0] != "till" {
		t.Errorf("pruned %+v", p)
	}
	short := time.Millisecond
	if err := a.SetDataset(t.Context(), cdc.DefaultDataset, cdc.DatasetChange{Retention: &short}); err != nil {
		t.Fatal(err)
	}
	st, err := a.Status(t.Context())
	for err == nil && len(st.Overdue) == 0 { // it is not old yet
		st, err = a.Status(t.Context())
	}
	if err != nil || st.Overdue[0].Remote != "till" {
		t.Errorf("overdue: %+v, %v", st, err)
	}
	b.pull(a)
	v, err := b.Stream(cdc.DefaultDataset).Vector(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Stream(cdc.DefaultDataset).Confirm(t.Context(), b.Node(), v); err != nil {
		t.Fatal(err)
	}
	a.exec(`INSERT INTO items (id) VALUES (99)`)
	a.seal()
	if p := a.prune(); p.Batches != 5 || len(p.Blocked) != 1 {
		t.Errorf("pruned %+v", p)
	}
	converge(t, a, b)
}

// A table that is watched after its history was pruned is had from a snapshot.
func TestTableWatchedAfterAPrune(t *testing.T) {
	a := newNode(t, 1, items+`; INSERT INTO items (id, name) VALUES (1, 'one'); CREATE TABLE other (id INTEGER PRIMARY KEY)`)
	b := newNode(t, 2, items+`; CREATE TABLE other (id INTEGER PRIMARY KEY)`)
	a.watch(cdc.WatchOptions{}, "items", "other")
	b.watch(cdc.WatchOptions{}, "other")
	a.exec(`INSERT INTO other VALUES (5)`)
	exchange(a, b)
	a.prune()
	b.prune()
	b.watch(cdc.WatchOptions{}, "items")
	if needs, err := b.Stream(cdc.DefaultDataset).Needs(t.Context(), []wire.TableOffer{{Name: "items"}}); err != nil || !needs {
		t.Fatalf("needs a snapshot: %v, %v", needs, err)
	}
	b.takeFrom(a)
	converge(t, a, b)
	if needs, _ := b.Stream(cdc.DefaultDataset).Needs(t.Context(), []wire.TableOffer{{Name: "items"}}); needs {
		t.Error("still needs a snapshot")
	}
}

// Where two nodes were watched with different values, a snapshot tells what a
// policy made of both, also to the node whose baseline stands.
func TestSnapshotTellsMergedBaselines(t *testing.T) {
	policies := cdc.WatchOptions{Columns: map[string]string{"seen": "max"}}
	a, b := newNode(t, 1, stock+`; INSERT INTO stock (id, seen) VALUES (1, 2)`), newNode(t, 2, stock+`; INSERT INTO stock (id, seen) VALUES (1, 7)`)
	a.watch(policies, "stock")
	b.watch(policies, "stock")
	a.seal()
	b.pull(a)
	b.prune()
	a.takeFrom(b)
	converge(t, a, b)
	if got := a.text(`SELECT seen FROM stock`); got != "7" {
		t.Errorf("seen is %s, want 7", got)
	}
}
