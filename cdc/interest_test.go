package cdc_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

const twoTables = items + `; CREATE TABLE other (id INTEGER PRIMARY KEY, v TEXT)`

func (n *node) stream() *cdc.Stream { return n.Stream(cdc.DefaultDataset) }

func (n *node) vector() merge.Vector {
	n.t.Helper()
	v, err := n.stream().Vector(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return v
}

func (n *node) wants(dataset string) []string {
	n.t.Helper()
	wants, _, err := n.Stream(dataset).Interest(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return wants
}

// asked is what a node gets of what another has sealed, as in a session.
func (n *node) asked(from *node, dataset string) (batches []*wire.Sealed) {
	n.t.Helper()
	have, err := n.Stream(dataset).Vector(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	list, err := from.Stream(dataset).AfterExcept(n.t.Context(), 0, have, n.wants(dataset), 1<<30)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, h := range list {
		if h.Lacks != "" && h.Origin != n.Node() { // what it had lost may be nowhere else
			n.t.Logf("batch %d of %v lacks %s", h.Seq, h.Origin, h.Lacks)
			break
		}
		batches = append(batches, h.Sealed)
	}
	return batches
}

// ask brings a node what it asks another for.
func (n *node) ask(from *node) error {
	n.t.Helper()
	from.seal()
	_, err := n.stream().Apply(n.t.Context(), from.Node(), n.asked(from, cdc.DefaultDataset))
	return err
}

func (n *node) knows(o *node) {
	n.t.Helper()
	if err := n.AddRemote(n.t.Context(), cdc.Remote{Name: o.Node().String(), Key: o.Node(), Pull: true, Push: true}); err != nil {
		n.t.Fatal(err)
	}
}

// left are the tables of which sections of held batches are not there.
func (n *node) left() (tables []string) {
	n.t.Helper()
	held, err := n.stream().After(n.t.Context(), 0, 1<<30)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, h := range held {
		names, err := h.Sealed.LeftOut()
		if err != nil {
			n.t.Fatal(err)
		}
		tables = append(tables, names...)
	}
	slices.Sort(tables)
	return slices.Compact(tables)
}

// A node that passes nothing on asks for what it watches. What it comes to
// watch later comes again, and is merged then.
func TestInterest(t *testing.T) {
	a, b := newNode(t, 1, twoTables), newNode(t, 2, twoTables)
	a.watch(cdc.WatchOptions{}, "items", "other")
	b.watch(cdc.WatchOptions{}, "items")
	b.knows(a)
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one'); INSERT INTO other VALUES (1, 'first')`)
	if err := b.ask(a); err != nil {
		t.Fatal(err)
	}
	a.exec(`UPDATE other SET v = 'second'; INSERT INTO other VALUES (2, 'x')`)
	if err := b.ask(a); err != nil {
		t.Fatal(err)
	}
	if got := b.left(); !slices.Equal(got, []string{"other"}) || !b.vector().Covers(a.vector()) {
		t.Fatalf("left out %v, vector %v of %v", got, b.vector(), a.vector())
	}
	b.exec(`INSERT INTO other VALUES (2, 'of b')`)
	b.watch(cdc.WatchOptions{}, "other")
	if v := b.vector()[a.Node()]; v.Seq != 0 {
		t.Errorf("vector is at %d of what it lacks", v.Seq)
	}
	if wants, held, err := b.stream().Interest(t.Context()); err != nil || !slices.Equal(wants, []string{"items", "other"}) || held[a.Node()] != a.vector()[a.Node()] {
		t.Errorf("wants %v, holds %v, %v", wants, held, err)
	}
	if err := b.ask(a); err != nil {
		t.Fatal(err)
	}
	a.pull(b)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(id || v) FROM other`); got != "1second,2x" {
		t.Errorf("rows are %s", got)
	}
	if got := b.left(); got != nil {
		t.Errorf("still left out: %v", got)
	}
	if list := b.conflicts(); len(list) != 1 || list[0].Kind != "baseline" && list[0].Kind != "key" {
		t.Errorf("conflicts are %+v", list)
	}
}

// A batch without a section that is wanted is not taken.
func TestPeerLeavesOutWhatIsWanted(t *testing.T) {
	a, b := newNode(t, 1, twoTables), newNode(t, 2, twoTables)
	a.watch(cdc.WatchOptions{}, "items", "other")
	b.watch(cdc.WatchOptions{}, "items", "other")
	a.exec(`INSERT INTO items (id) VALUES (1)`)
	a.seal()
	a.exec(`INSERT INTO items (id) VALUES (2); INSERT INTO other VALUES (2, '')`)
	a.seal()
	list, err := a.stream().AfterExcept(t.Context(), 0, nil, []string{"items"}, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.stream().Apply(t.Context(), a.Node(), []*wire.Sealed{list[0].Sealed}); err != nil {
		t.Fatal(err)
	}
	v, err := b.stream().Apply(t.Context(), a.Node(), []*wire.Sealed{list[1].Sealed})
	if !errors.Is(err, wire.ErrGap) || v[a.Node()].Seq != 1 {
		t.Errorf("applied up to %d: %v", v[a.Node()].Seq, err)
	}
	converge(t, a, b)
}

// A node that comes to pass batches on asks for what it has not asked for
// before, and passes on none that is not whole.
func TestRelayAsksForAll(t *testing.T) {
	a, b, c := newNode(t, 1, twoTables), newNode(t, 2, items), newNode(t, 3, twoTables)
	a.watch(cdc.WatchOptions{}, "items", "other")
	b.watch(cdc.WatchOptions{}, "items")
	c.watch(cdc.WatchOptions{}, "items", "other")
	b.knows(a)
	c.knows(b)
	a.exec(`INSERT INTO items (id) VALUES (1); INSERT INTO other VALUES (1, 'one')`)
	if err := b.ask(a); err != nil {
		t.Fatal(err)
	}
	b.knows(c)
	if wants, _, err := b.stream().Interest(t.Context()); wants != nil || err != nil {
		t.Errorf("wants %v, %v", wants, err)
	}
	if err := c.ask(b); err != nil || len(c.vector()) != 0 {
		t.Errorf("%v, with %v of what lacks a table", err, c.vector())
	}
	for _, n := range []struct{ to, from *node }{{b, a}, {c, b}} {
		if err := n.to.ask(n.from); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.text(`SELECT v FROM other`); got != "one" {
		t.Errorf("rows are %s", got)
	}
}

// A node that makes the tables that its peers have asks for those too that are
// still to be made: whoever has told of one may be gone by then.
func TestWhoFollowsAsksForAll(t *testing.T) {
	a, b := newNode(t, 1, twoTables), newNode(t, 2, items)
	a.watch(cdc.WatchOptions{}, "items", "other")
	b.watch(cdc.WatchOptions{}, "items")
	b.knows(a)
	for _, follows := range []bool{true, false} {
		if err := b.SetDataset(t.Context(), cdc.DefaultDataset, cdc.DatasetChange{FollowSchema: &follows}); err != nil {
			t.Fatal(err)
		}
		if wants := b.wants(cdc.DefaultDataset); (wants == nil) != follows {
			t.Errorf("follows %v, wants %v", follows, wants)
		}
		a.exec(`INSERT INTO other (v) VALUES ('of a')`)
		if err := b.ask(a); err != nil {
			t.Fatal(err)
		}
		if got := b.left(); (got == nil) != follows {
			t.Errorf("follows %v, left out %v", follows, got)
		}
	}
}

// A file that was put back has of its own batches what a peer has that does not
// watch all of its tables, and goes on.
func TestOlderCopyPutBackBesidePartialInterest(t *testing.T) {
	open := func(seed byte, schema string) *node {
		return renewingNode(t, seed, filepath.Join(t.TempDir(), "n.db"), schema)
	}
	a, b := open(1, twoTables), open(2, items)
	a.watch(cdc.WatchOptions{}, "items", "other")
	b.watch(cdc.WatchOptions{}, "items")
	b.knows(a)
	a.exec(`INSERT INTO items (id) VALUES (1); INSERT INTO other VALUES (1, 'kept')`)
	if err := b.ask(a); err != nil {
		t.Fatal(err)
	}
	backup := a.backup()
	a.exec(`INSERT INTO items (id) VALUES (2); INSERT INTO other VALUES (2, 'lost')`)
	if err := b.ask(a); err != nil {
		t.Fatal(err)
	}
	a.exec(`INSERT INTO items (id) VALUES (3)`)
	if err := b.ask(a); err != nil {
		t.Fatal(err)
	}
	a.shut()
	move(t, backup, a.path)
	again := renewingNode(t, 1, a.path, "")
	again.exec(`INSERT INTO items (id) VALUES (4); INSERT INTO other VALUES (4, 'new')`)
	if err := again.ask(b); err != nil {
		t.Fatal(err)
	}
	if err := b.ask(again); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*node{again, b} {
		if got := n.text(`SELECT group_concat(id) FROM items`); got != "1,2,3,4" {
			t.Errorf("rows are %s", got)
		}
	}
	if got := again.text(`SELECT group_concat(v) FROM other`); got != "kept,new" {
		t.Errorf("rows are %s", got)
	}
	if !again.vector().Covers(b.vector()) || !b.vector().Covers(again.vector()) {
		t.Errorf("vectors are %v and %v", again.vector(), b.vector())
	}
	if list := again.verify(); len(list) > 0 {
		t.Errorf("findings are %v", list)
	}
}

// A file that was put back from before a table was watched has its own rows of
// the table again, when it is watched there again.
func TestPutBackFromBeforeATableWasWatched(t *testing.T) {
	a := renewingNode(t, 1, filepath.Join(t.TempDir(), "n.db"), twoTables)
	b := newNode(t, 2, twoTables)
	a.watch(cdc.WatchOptions{}, "items")
	b.watch(cdc.WatchOptions{}, "items", "other")
	a.knows(b)
	backup := a.backup()
	a.watch(cdc.WatchOptions{}, "other")
	a.exec(`INSERT INTO items (id) VALUES (1); INSERT INTO other VALUES (1, 'of a')`)
	b.exec(`INSERT INTO other VALUES (2, 'of b')`)
	if err := errors.Join(b.ask(a), a.ask(b)); err != nil {
		t.Fatal(err)
	}
	a.shut()
	move(t, backup, a.path)
	again := renewingNode(t, 1, a.path, "")
	again.exec(`INSERT INTO items (id) VALUES (3)`)
	if err := again.ask(b); err != nil {
		t.Fatal(err)
	}
	again.watch(cdc.WatchOptions{}, "other")
	if err := again.ask(b); err != nil {
		t.Fatal(err)
	}
	if needs, err := again.stream().Needs(t.Context(), []wire.TableOffer{{Name: "other"}}); err != nil || !needs {
		t.Fatalf("needs %v, %v", needs, err)
	}
	again.takeFrom(b)
	converge(t, again, b)
	if got := again.text(`SELECT group_concat(v) FROM other`); got != "of a,of b" {
		t.Errorf("rows are %s", got)
	}
}

// A snapshot that does not tell a table leaves it to be had from another peer,
// if it stands for batches that are not here.
func TestSnapshotWithoutATable(t *testing.T) {
	a, b, c := newNode(t, 1, twoTables), newNode(t, 2, items), newNode(t, 3, twoTables)
	a.watch(cdc.WatchOptions{}, "items", "other")
	b.watch(cdc.WatchOptions{}, "items")
	c.watch(cdc.WatchOptions{}, "items", "other")
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one'); INSERT INTO other VALUES (1, 'one')`)
	b.pull(a)
	b.prune()
	c.takeFrom(b)
	other := []wire.TableOffer{{Name: "Other"}}
	if needs, err := c.stream().Needs(t.Context(), other); err != nil || !needs {
		t.Fatalf("needs %v, %v", needs, err)
	}
	if needs, err := c.stream().Needs(t.Context(), []wire.TableOffer{{Name: "items"}}); err != nil || needs {
		t.Errorf("of a peer that has it not: needs %v, %v", needs, err)
	}
	c.takeFrom(a)
	converge(t, a, c)
	if needs, err := c.stream().Needs(t.Context(), other); err != nil || needs {
		t.Errorf("needs %v, %v", needs, err)
	}
}
