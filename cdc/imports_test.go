package cdc_test

import (
	"fmt"
	"testing"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// A snapshot file that was taken in part is told until it, or another, was taken
// whole.
func TestImportThatIsBrokenOff(t *testing.T) {
	a, c := newNode(t, 1, items), newNode(t, 2, items)
	for _, n := range []*node{a, c} {
		n.watch(cdc.WatchOptions{}, "items")
	}
	a.exec(fmt.Sprintf(manyItems, 2500)) // more than a part has
	from, to := a.Stream(cdc.DefaultDataset), c.Stream(cdc.DefaultDataset)
	file := merge.NodeID{7}
	if err := to.BeginImport(t.Context(), file, "a.snapshot"); err != nil {
		t.Fatal(err)
	}
	imports := func() []cdc.Import {
		st, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return st.Imports
	}
	for req, parts := (&wire.SnapshotRequest{}), 0; req != nil; parts++ {
		if list := imports(); len(list) != 1 || list[0] != (cdc.Import{Dataset: cdc.DefaultDataset, File: "a.snapshot"}) {
			t.Fatalf("after %d parts: %v", parts, list)
		}
		if err := to.BeginImport(t.Context(), file, "a.snapshot"); err != nil { // once more, it goes on
			t.Fatal(err)
		}
		if begun, err := to.TakeSnapshot(t.Context(), file, nil); err != nil || string(begun.Cursor) != string(req.Cursor) {
			t.Fatalf("after %d parts it goes on at %x: %v", parts, begun.Cursor, err)
		}
		part, err := from.Snapshot(t.Context(), req, nil)
		if err != nil {
			t.Fatal(err)
		}
		if req, err = to.TakeSnapshot(t.Context(), file, part); err != nil {
			t.Fatal(err)
		}
	}
	if list := imports(); len(list) != 0 {
		t.Errorf("at the end: %v", list)
	}
	converge(t, a, c)
}
