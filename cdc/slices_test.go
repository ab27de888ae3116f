package cdc_test

import (
	"slices"
	"testing"

	"sqlsync/cdc"
)

// twoThousand is one transaction of more rows than a batch may have in
// slicedPair.
const twoThousand = `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 2000)
	INSERT INTO items SELECT i, 'name ' || i, i, NULL FROM c`

// slicedPair is a node with many rows, sealed, and an empty one that tells what
// it does.
func slicedPair(t *testing.T) (from, to *node, done *[]cdc.Work) {
	done = new([]cdc.Work)
	from = newNode(t, 1, items)
	to = observedNode(t, 2, items, func(w cdc.Work) { *done = append(*done, w) })
	rows := int64(1000)
	from.set(cdc.DefaultDataset, cdc.DatasetChange{BatchRows: &rows})
	for _, n := range []*node{from, to} {
		n.watch(cdc.WatchOptions{}, "items")
	}
	from.exec(twoThousand)
	from.seal()
	*done = nil
	return from, to, done
}

// A transaction that is too large for one batch is sealed in small ones, also
// when what is left of it would fit into one.
func TestALargeTransactionIsSealedInPieces(t *testing.T) {
	from, to, _ := slicedPair(t)
	if got := from.text(`SELECT count(*) FROM sqlsync_batch`); got != "8" {
		t.Errorf("2,000 rows are in %s batches, want 8 of 250", got)
	}
	from.exec(`UPDATE items SET qty = -qty WHERE id <= 900`)
	from.seal()
	if got := from.text(`SELECT count(*) FROM sqlsync_batch`); got != "9" {
		t.Errorf("a transaction that fits is in %s batches, want 1", got)
	}
	converge(t, from, to)
}

// While the application writes, what is applied is applied in short
// transactions, each of whole batches.
func TestApplyIsSlicedBesideTheApplication(t *testing.T) {
	from, to, done := slicedPair(t)
	to.exec(`CREATE TABLE other (a)`)
	to.seal()
	to.exec(`INSERT INTO other VALUES (1)`)
	to.pull(from)
	if n := len(*done); n < 3 {
		t.Errorf("8 batches were applied in %d transactions, though the application writes", n)
	}
	var changes int64
	for _, w := range *done {
		changes += w.Applied.Changes
	}
	if changes != 2000 {
		t.Errorf("%d changes were applied, want 2000", changes)
	}
	converge(t, from, to)
}

// What another process came to hold is given to peers in its place.
func TestBatchesOfTwoProcessesAreGivenInOrder(t *testing.T) {
	n := newNode(t, 1, items)
	n.watch(cdc.WatchOptions{}, "items")
	other := openNode(t, 1, n.path, "")
	for id, by := range []*node{n, other, n, n, other} {
		n.exec(`INSERT INTO items (id) VALUES (?)`, id)
		by.seal()
	}
	for _, by := range []*node{n, other} {
		var seqs []uint64
		for pos := int64(0); ; {
			list, err := by.Stream(cdc.DefaultDataset).After(t.Context(), pos, 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			for _, h := range list {
				if seqs = append(seqs, h.Seq); !h.Own {
					t.Errorf("batch %d is said to be another's", h.Seq)
				}
				pos = h.Pos
			}
		}
		if !slices.Equal(seqs, []uint64{1, 2, 3, 4, 5}) {
			t.Errorf("gives %v", seqs)
		}
	}
}
