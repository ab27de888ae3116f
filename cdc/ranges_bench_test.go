package cdc_test

import (
	"flag"
	"testing"
	"time"
)

var rangeRows = flag.Int("cdc.rows", 100_000, "how many rows the benchmarks of ranges compare")

// BenchmarkVerifyOneRow finds one row that differs, BenchmarkDrift has some
// thousand rows: what travels, in how many turns.
func BenchmarkVerifyOneRow(b *testing.B) {
	stale, fresh := away(b, *rangeRows, 0)
	stale.damaged = true
	stale.past(`UPDATE items SET name = 'lost' WHERE id = 54321`)
	for b.Loop() {
		k := &talk{from: fresh}
		if list, _ := stale.differences(k); len(list) != 1 {
			b.Fatalf("found %q", list)
		}
		b.ReportMetric(float64(k.bytes), "wire-bytes")
		b.ReportMetric(float64(k.turns), "turns")
	}
}

func BenchmarkDrift(b *testing.B) {
	stale, fresh := away(b, *rangeRows, 2500)
	b.ResetTimer()
	for b.Loop() {
		k := &talk{from: fresh}
		begun := time.Now()
		rows := stale.reconcile(k)
		if b.N == 1 || rows > 0 {
			b.Logf("%d rows in %v, %d bytes, %d turns", rows, time.Since(begun).Round(time.Millisecond), k.bytes, k.turns)
		}
		b.ReportMetric(float64(k.bytes), "wire-bytes")
	}
}
