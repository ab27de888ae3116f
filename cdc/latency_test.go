package cdc_test

import (
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// BenchmarkSingleChange is the cost of one committed row on either side.
func BenchmarkSingleChange(b *testing.B) {
	from, to := newNode(b, 1, items), newNode(b, 2, items)
	for _, n := range []*node{from, to} {
		n.exec(`PRAGMA journal_mode = wal`)
		n.watch(cdc.WatchOptions{}, "items")
	}
	b.Run("seal", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			from.exec(`INSERT INTO items (name, qty) VALUES ('one', 1)`)
			b.StartTimer()
			from.seal()
		}
	})
	list, err := from.Stream(cdc.DefaultDataset).After(b.Context(), 0, 1<<30)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("apply", func(b *testing.B) {
		i := 0
		for b.Loop() {
			if i == len(list) {
				b.Skip("not enough batches")
			}
			if _, err := to.Stream(cdc.DefaultDataset).Apply(b.Context(), from.Node(), []*wire.Sealed{list[i].Sealed}); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}
