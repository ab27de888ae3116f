package cdc

import "testing"

// A batch covers as many whole transactions as it may, and one that is larger
// in pieces to its end, which no other one is part of.
func TestBatchesEndWithTransactions(t *testing.T) {
	const ds = 1
	var c commits
	for _, mark := range []int64{4, 9, 15, 2015, 2016} {
		c.note(ds, mark)
	}
	c.note(ds, 9) // of somebody who looked earlier
	const last = 2500
	var got [][2]int64
	for first := int64(1); first <= last; {
		to, whole := c.within(ds, first, last, 1000)
		size := int64(0)
		if !whole {
			size = 1
		}
		got = append(got, [2]int64{to, size})
		first = to + 1
	}
	want := [][2]int64{{15, 0}, {265, 1}, {515, 1}, {765, 1}, {1015, 1}, {1265, 1}, {1515, 1}, {1765, 1}, {2015, 0}, {2500, 0}}
	if len(got) != len(want) {
		t.Fatalf("batches end at %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("batch %d ends at %v, want %v", i, got[i], want[i])
		}
	}
}

// What is left of a transaction of which a part was sealed is sealed in pieces,
// though it would fit into one batch by now.
func TestTheRestOfATransactionComesInPieces(t *testing.T) {
	var c commits
	for first, last := int64(1), int64(1200); first <= last; {
		to, _ := c.within(1, first, last, 1000)
		if n := to - first + 1; n > pieceRows {
			t.Fatalf("%d marks from %d in one batch", n, first)
		}
		first = to + 1
	}
	c.forget(1)
	if to, whole := c.within(1, 1, 1000, 1000); to != 1000 || !whole {
		t.Errorf("a transaction after that is cut at %d", to)
	}
}

// More ends than are kept are forgotten from the oldest.
func TestKnownCommitsAreBounded(t *testing.T) {
	var c commits
	for mark := range int64(3 * knownCommits) {
		c.note(1, 1+mark)
	}
	if n := len(c.last[1]); n > knownCommits {
		t.Errorf("%d are kept", n)
	}
	if to, whole := c.within(1, 3*knownCommits-500, 3*knownCommits, 100); !whole || to != 3*knownCommits-401 {
		t.Errorf("the latest batch ends at %d, whole %v", to, whole)
	}
}
