package cdc

import (
	"testing"

	"sqlsync/merge"
	"sqlsync/wire"
)

// Batches that are small and become large are not opened all at once.
func TestGroupsAreBoundedByWhatBatchesBecome(t *testing.T) {
	s := &Store{verify: func(merge.NodeID, wire.Hash, []byte) bool { return true }}
	batch := func(size int) *wire.Sealed {
		b, err := wire.Seal(&wire.Batch{
			Header: wire.Header{Dataset: "primary", Origin: merge.NodeID{1}, Seq: 1, First: 1, Last: 1},
			Sections: []wire.Section{{Table: "t", Key: []string{"id"}, Columns: []string{"x"}, Changes: []wire.Change{
				{Op: merge.Insert, HLC: 1, Key: []wire.Value{int64(1)}, Values: []wire.Value{make([]byte, size)}},
			}}},
		}, func(wire.Hash) []byte { return make([]byte, 64) })
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	third, whole, small := batch(groupBytes/3), batch(groupBytes), batch(10)
	for _, test := range []struct {
		name    string
		batches []*wire.Sealed
		want    int
	}{
		{"three", []*wire.Sealed{third, third, third, third}, 2},
		{"one that is too large", []*wire.Sealed{whole, small}, 1},
		{"before one that is too large", []*wire.Sealed{small, small, whole, small}, 2},
	} {
		if group, err := s.openGroup(test.batches); err != nil || len(group) != test.want {
			t.Errorf("%s: %d, want %d: %v", test.name, len(group), test.want, err)
		}
	}
}
