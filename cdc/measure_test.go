package cdc_test

import (
	"slices"
	"testing"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

func TestMeasure(t *testing.T) {
	a, b := pair(t, items, "items")
	remote := cdc.Remote{Name: "b", Key: b.Node(), Pull: true, Push: true}
	if err := a.AddRemote(t.Context(), remote); err != nil {
		t.Fatal(err)
	}
	measure := func(heard merge.Vector) cdc.DatasetMeasure {
		t.Helper()
		m, err := a.Measure(t.Context(), map[string]map[string]merge.Vector{"b": {cdc.DefaultDataset: heard}})
		if err != nil {
			t.Fatal(err)
		}
		return m.Datasets[0]
	}
	if d := measure(nil); d.Pending != 0 || d.Batches != 0 || !d.PendingSince.IsZero() || !d.Enabled {
		t.Errorf("of an empty database: %+v", d)
	}
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'x'), (2, 'y')`)
	if d := measure(nil); d.Pending != 2 || d.PendingSince.IsZero() {
		t.Errorf("with two rows written: %+v", d)
	}
	a.seal()
	a.exec(`UPDATE items SET name = 'z' WHERE id = 1`)
	a.seal()
	d := measure(nil)
	if lag := d.Lag["b"]; d.Pending != 0 || d.Batches != 2 || d.Bytes == 0 || lag.Changes != 3 || lag.Since.IsZero() {
		t.Errorf("with two batches sealed: %+v", d)
	}
	st, err := a.Status(t.Context())
	if err != nil || st.Datasets[0].Bytes != d.Bytes {
		t.Errorf("status counts %+v, measure %d bytes; %v", st.Datasets[0], d.Bytes, err)
	}
	if lag := measure(merge.Vector{a.Node(): {Seq: 1}}).Lag["b"]; lag.Changes != 1 {
		t.Errorf("with one batch confirmed: %+v", lag)
	}
	if lag := measure(merge.Vector{a.Node(): {Seq: 2}}).Lag["b"]; lag != (cdc.LagMeasure{}) {
		t.Errorf("with all confirmed: %+v", lag)
	}
	remote.Push = false
	if err := a.SetRemote(t.Context(), remote); err != nil {
		t.Fatal(err)
	}
	if _, ok := measure(nil).Lag["b"]; ok {
		t.Error("a remote that gets nothing has a lag")
	}
}

// Bytes are counted on from where they were; batches that are gone make no
// difference to that.
func TestMeasureAfterBatchesWent(t *testing.T) {
	a, _ := pair(t, items, "items")
	bytes := func() int64 {
		t.Helper()
		m, err := a.Measure(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return m.Datasets[0].Bytes
	}
	for id := range 3 {
		a.exec(`INSERT INTO items (id) VALUES (?)`, id)
		a.seal()
		bytes()
	}
	a.damaged = true
	a.exec(`DELETE FROM sqlsync_batch WHERE pos = 2`)
	st, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := bytes(); got != st.Datasets[0].Bytes {
		t.Errorf("counted %d bytes, there are %d", got, st.Datasets[0].Bytes)
	}
}

func TestObserve(t *testing.T) {
	var done []cdc.Work
	a, b := newNode(t, 1, items), observedNode(t, 2, items, func(w cdc.Work) { done = append(done, w) })
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{}, "items")
	}
	a.exec(`INSERT INTO items (id) VALUES (1), (2)`)
	a.seal()
	b.exec(`INSERT INTO items (id) VALUES (3)`)
	b.pull(a)
	if len(done) != 1 || done[0].From != a.Node() || done[0].Applied.Changes != 2 || done[0].Sealed.Changes != 1 || done[0].Took <= 0 {
		t.Errorf("observed %+v", done)
	}
	held, err := a.Stream(cdc.DefaultDataset).After(t.Context(), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	a.exec(`INSERT INTO items (id) VALUES (4)`)
	a.seal()
	a.exec(`INSERT INTO items (id) VALUES (5)`)
	a.seal()
	if held, err = a.Stream(cdc.DefaultDataset).After(t.Context(), held[0].Pos+1, 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stream(cdc.DefaultDataset).Apply(t.Context(), a.Node(), sealedOf(held)); err == nil {
		t.Fatal("a batch after a gap was applied")
	}
	if !slices.ContainsFunc(done, func(w cdc.Work) bool { return w.Err != nil && w.From == a.Node() }) {
		t.Errorf("observed %+v", done)
	}
}

func sealedOf(held []wire.Held) (list []*wire.Sealed) {
	for _, h := range held {
		list = append(list, h.Sealed)
	}
	return list
}
