package cdc_test

import (
	"errors"
	"testing"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// A file that was put back from a backup is recognised by what peers have of
// it, before it says anything that they have heard otherwise.
func TestRolledBackFileIsRecognised(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id) VALUES (1)`)
	converge(t, a, b)
	stream := a.Stream(cdc.DefaultDataset)
	v, err := stream.Vector(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Confirm(t.Context(), b.Node(), v); err != nil {
		t.Errorf("a peer that has what we have: %v", err)
	}
	v[a.Node()] = merge.Position{Seq: v[a.Node()].Seq + 1}
	if err := stream.Confirm(t.Context(), b.Node(), v); !errors.Is(err, cdc.ErrRolledBack) {
		t.Errorf("a peer that has more: %v", err)
	}
}

// What the file had lost by that comes back from a peer, and its chain goes on
// where it was.
func TestRolledBackFileGetsItsChainBack(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id) VALUES (1)`)
	converge(t, a, b)
	older := a.copyOf(t, 1)
	a.exec(`INSERT INTO items (id) VALUES (2)`)
	converge(t, a, b)
	older.pull(b)
	older.exec(`INSERT INTO items (id) VALUES (3)`)
	converge(t, older, b)
	if got := b.text(`SELECT group_concat(id) FROM items`); got != "1,2,3" {
		t.Errorf("rows are %s", got)
	}
}

// Once its application has written, its chain is another than the one that
// peers hold, and they leave it out.
func TestRolledBackFileThatWentOnIsLeftOut(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id) VALUES (1)`)
	converge(t, a, b)
	older := a.copyOf(t, 1)
	a.exec(`INSERT INTO items (id) VALUES (2)`)
	converge(t, a, b)
	for id := 3; id < 5; id++ {
		older.exec(`INSERT INTO items (id) VALUES (?)`, id)
		older.seal()
	}
	list, err := older.Stream(cdc.DefaultDataset).After(t.Context(), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	last := []*wire.Sealed{list[len(list)-1].Sealed}
	if _, err := b.Stream(cdc.DefaultDataset).Apply(t.Context(), older.Node(), last); !errors.Is(err, wire.ErrForked) {
		t.Errorf("the forked chain gave %v", err)
	}
}

// A remote may say that it has chains which are not here, but cannot fill the
// file with them; what it says of others is kept.
func TestConfirmationsOfUnknownChainsAreBounded(t *testing.T) {
	a, b := pair(t, items, "items")
	if err := a.AddRemote(t.Context(), cdc.Remote{Name: "b", Key: b.Node(), Pull: true, Push: true}); err != nil {
		t.Fatal(err)
	}
	a.exec(`INSERT INTO items (id) VALUES (1)`)
	converge(t, a, b)
	stream := a.Stream(cdc.DefaultDataset)
	for round := range 3 {
		v, err := b.Stream(cdc.DefaultDataset).Vector(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3000 {
			v[merge.NodeID{byte(i), byte(i >> 8), byte(round), 7}] = merge.Position{Seq: 1<<64 - 1, HLC: 1}
		}
		if err := stream.Confirm(t.Context(), b.Node(), v); err != nil {
			t.Fatal(err)
		}
		a.exec(`UPDATE items SET qty = ?`, round)
		a.seal() // writes what has waited
		converge(t, a, b)
	}
	if got := a.text(`SELECT count(*) FROM sqlsync_watermark`); got != "4096" {
		t.Errorf("%s confirmations are kept", got)
	}
	v, err := b.Stream(cdc.DefaultDataset).Vector(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Confirm(t.Context(), b.Node(), v); err != nil {
		t.Fatal(err)
	}
	a.exec(`UPDATE items SET qty = 9`)
	a.seal()
	if got := a.text(`SELECT count(*) FROM sqlsync_watermark w JOIN sqlsync_origin o ON o.id = w.origin_id WHERE o.key = ? AND w.seq = ?`, func() []byte { k := a.Node(); return k[:] }(), v[a.Node()].Seq); got != "1" {
		t.Errorf("of the own chain %s confirmations", got)
	}
}
