package main

import (
	"fmt"
	"strings"
)

// row is one line of the table: a benchmark's measure as a multiple of its
// floor, and what it should be.
type row struct {
	what, floor string
	// bench is the benchmark's name, with its sub-benchmark.
	bench string
	// unit is of the measure and of the floor, where both are told.
	unit string
	// ratio is the metric that the goal is for, "ratio" if empty.
	ratio string
	// most says that the goal is a bound from above.
	most        bool
	goal, after float64
}

// table is what docs/benchmarks.md shows, in this order.
var table = []row{
	{what: "capture: a bulk insert by the `sqlite3` program, in one transaction", floor: "without triggers", bench: "Capture/bulk", unit: "ms", most: true, goal: 1.6, after: 1.4},
	{what: "capture: the same as a copy of rows that are there, the cheapest insert there is", floor: "without triggers", bench: "Capture/copy", unit: "ms", most: true},
	{what: "capture: a transaction per row, WAL, synchronous NORMAL", floor: "without triggers", bench: "Capture/single", unit: "ms", most: true, goal: 1.5, after: 1.3},
	{what: "seal", floor: "raw inserts", bench: "Seal", unit: "rows/s", goal: 0.7, after: 1},
	{what: "apply into an empty table", floor: "raw inserts", bench: "Apply/empty", unit: "rows/s", goal: 0.55, after: 0.8},
	{what: "apply updates", floor: "raw updates", bench: "Apply/updates", unit: "rows/s", goal: 0.5, after: 0.8},
	{what: "apply updates, every tenth a conflict", floor: "raw updates", bench: "Apply/conflicts", unit: "rows/s", goal: 0.5, after: 0.8},
	{what: "end to end: inserted in one transaction on A until B has all, two processes", floor: "raw inserts", bench: "EndToEnd", unit: "rows/s", goal: 0.4, after: 0.6},
	{what: "clone of a database", floor: "raw inserts", bench: "Clone", unit: "rows/s", goal: 0.4, after: 0.7},
	{what: "latency p50: one commit on A to visible on B", floor: "two synced commits and a round trip, p50", bench: "Latency", unit: "p50-ms", ratio: "p50-ratio", most: true, goal: 2, after: 1.3},
	{what: "latency p99", floor: "the same, p50", bench: "Latency", unit: "p99-ms", ratio: "p99-ratio", most: true, goal: 6, after: 3},
	{what: "bytes on the wire", floor: "the rows as CSV through zstd -3", bench: "Wire", unit: "B/row", most: true, goal: 1.2, after: 1},
	{what: "file growth after prune, `lww`", floor: "the plain table", bench: "FileGrowth/lww", unit: "MB", most: true, goal: 0.7, after: 0.5},
	{what: "file growth after prune, `row`", floor: "the plain table", bench: "FileGrowth/row", unit: "MB", most: true, goal: 0.4, after: 0.3},
	{what: "file growth after prune, `append`", floor: "the plain table", bench: "FileGrowth/append", unit: "MB", most: true, goal: 0.25, after: 0.15},
	{what: "interference: the application's p99 write while its node applies", floor: "its p99 write while nothing comes", bench: "Interference", unit: "p99-ms", most: true, goal: 4, after: 2},
}

// values are a row's figures; ok is false if the benchmark was not run.
func (r *row) values(m measures) (floor, taken, ratio float64, ok bool) {
	metrics, ok := m[r.bench]
	if !ok {
		return 0, 0, 0, false
	}
	name := r.ratio
	if name == "" {
		name = "ratio"
		return metrics["floor-"+r.unit], metrics[r.unit], metrics[name], true
	}
	return metrics["floor-p50-ms"], metrics["commit-"+r.unit], metrics[name], true
}

// reached is how much of a goal there is: 1 is all of it.
func (r *row) reached(ratio float64) float64 {
	if r.most {
		return r.goal / ratio
	}
	return ratio / r.goal
}

// command runs a benchmark alone.
func command(bench string) string {
	parts := strings.Split("Benchmark"+bench, "/")
	for i, p := range parts {
		parts[i] = "^" + p + "$"
	}
	return fmt.Sprintf("go test -run '^$' -bench '%s' -benchtime 1x -timeout 30m ./e2e", strings.Join(parts, "/"))
}

// growths are the curves: what a change costs as something grows.
var growths = []growth{
	{what: "rows in the table", bench: "GrowthRows", by: "rows", lines: []string{"raw", "write", "seal", "apply", "scattered-raw", "scattered-write", "scattered-seal", "scattered-apply"}, sum: []string{"write", "seal", "apply"}},
	{what: "columns", bench: "GrowthColumns", by: "columns", lines: []string{"raw", "write", "seal", "apply"}, sum: []string{"write", "seal", "apply"}},
	{what: "peers, processor time per node", bench: "GrowthPeers", by: "peers", lines: []string{"hub", "node"}, sum: []string{"node"}},
}

type growth struct {
	what, bench, by string
	// lines are what is drawn; sum is what makes the cost of a change.
	lines, sum []string
}
