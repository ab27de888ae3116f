package wire

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"testing"

	"github.com/klauspost/compress/zstd"

	"sqlsync/fixtures"
	"sqlsync/merge"
)

// orders is a batch of 10,000 inserts into the six-column orders table.
func orders() *Batch {
	sec := Section{Table: "orders", Key: []string{"id"}, Columns: []string{"customer_id", "placed_at", "status", "total_cents", "note"}}
	hlc := merge.HLC(1 << 56)
	for o := range fixtures.Orders(10_000) {
		v := o.Values()
		hlc++
		sec.Changes = append(sec.Changes, Change{Op: merge.Insert, HLC: hlc, Key: v[:1], Values: v[1:]})
	}
	return &Batch{Header: Header{Dataset: "primary", Origin: origin(), Seq: 1, First: 1<<56 + 1, Last: hlc}, Sections: []Section{sec}}
}

// csvSize is the floor of the size: the same rows as CSV through zstd -3.
func csvSize(b *testing.B) int {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	for o := range fixtures.Orders(10_000) {
		var record []string
		for _, v := range o.Values() {
			record = append(record, fmt.Sprint(v))
		}
		if err := w.Write(record); err != nil {
			b.Fatal(err)
		}
	}
	w.Flush()
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(3)))
	if err != nil {
		b.Fatal(err)
	}
	return len(e.EncodeAll(text.Bytes(), nil))
}

func BenchmarkSeal(b *testing.B) {
	batch := orders()
	var s *Sealed
	for b.Loop() {
		s = seal(b, batch)
	}
	b.ReportMetric(10_000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(s.Size())/10_000, "bytes/row")
	b.ReportMetric(float64(s.Size())/float64(csvSize(b)), "size/csv.zst")
}

func BenchmarkOpen(b *testing.B) {
	s := seal(b, orders())
	for b.Loop() {
		if _, err := s.OpenSection(0, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(10_000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
