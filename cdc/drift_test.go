package cdc_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// The batches of a node whose clock is far ahead wait, and are named; those of
// others do not wait for them, and nothing is lost.
func TestClockThatIsAhead(t *testing.T) {
	ahead := time.Duration(0)
	clock := func() time.Time { return time.Now().Add(ahead) }
	a := newNode(t, 1, items)
	b := openNodeAt(t, 2, filepath.Join(t.TempDir(), "app.db"), items, clock)
	c := newNode(t, 3, items)
	for _, n := range []*node{a, b, c} {
		n.watch(cdc.WatchOptions{}, "items")
	}
	ahead = -6 * time.Minute // so A's clock is ahead of B's
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'a')`)
	a.seal()
	list, err := a.Stream(cdc.DefaultDataset).After(t.Context(), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	c.exec(`INSERT INTO items (id, name) VALUES (2, 'c')`)
	_, err = b.Stream(cdc.DefaultDataset).Apply(t.Context(), a.Node(), []*wire.Sealed{list[0].Sealed})
	if !errors.Is(err, wire.ErrAhead) {
		t.Fatalf("Apply = %v, want ErrAhead", err)
	}
	b.exec(`INSERT INTO items (id, name) VALUES (3, 'b')`)
	b.seal()
	if got := b.text(`SELECT group_concat(name) FROM items`); got != "b" {
		t.Errorf("B has %s", got)
	}
	ahead = 0
	converge(t, a, b, c)
}

// A clock that goes back does not make what is written lose to what was there.
func TestClockThatGoesBack(t *testing.T) {
	back := time.Duration(0)
	a := newNode(t, 1, items)
	b := openNodeAt(t, 2, filepath.Join(t.TempDir(), "app.db"), items, func() time.Time { return time.Now().Add(back) })
	a.watch(cdc.WatchOptions{}, "items")
	b.watch(cdc.WatchOptions{}, "items")
	a.exec(`INSERT INTO items (id, qty) VALUES (1, 1)`)
	converge(t, a, b)
	back = -time.Minute
	for i := 2; i < 5; i++ {
		b.exec(`UPDATE items SET qty = ?`, i)
		converge(t, a, b)
	}
	if got := a.text(`SELECT qty FROM items`); got != "4" {
		t.Errorf("qty is %s, want 4", got)
	}
}
