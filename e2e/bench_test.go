package e2e_test

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// The benchmarks of this package are the rows of docs/benchmarks.md. Each
// takes a measure and its floor by turns, so that what slows the machine slows
// both, and reports medians:
//
//	go test -run '^$' -bench . -benchtime 1x -timeout 30m ./e2e
//
// With -short they are smaller, for a look at whether they run.

// sized is how many rows a benchmark takes that takes this many when it has
// time.
func sized(full int) int {
	if testing.Short() {
		return full / 20
	}
	return full
}

// rounds is how often a measure is taken.
func rounds(full int) int {
	if testing.Short() {
		return 3
	}
	return full
}

// contest is a measure beside its floor, round by round.
type contest struct{ floor, taken []float64 }

// rate notes a round in which n rows took so long, and by the floor so long.
func (c *contest) rate(n int, floor, taken time.Duration) {
	c.floor = append(c.floor, float64(n)/floor.Seconds())
	c.taken = append(c.taken, float64(n)/taken.Seconds())
}

// cost notes a round's amounts.
func (c *contest) cost(floor, taken float64) {
	c.floor = append(c.floor, floor)
	c.taken = append(c.taken, taken)
}

// report reports both, and how many times the floor the measure is.
func (c *contest) report(b *testing.B, unit string) {
	b.Helper()
	var ratios []float64
	for i := range c.floor {
		ratios = append(ratios, c.taken[i]/c.floor[i])
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(quantile(c.floor, 0.5), "floor-"+unit)
	b.ReportMetric(quantile(c.taken, 0.5), unit)
	b.ReportMetric(quantile(ratios, 0.5), "ratio")
	b.ReportMetric(slices.Min(ratios), "ratio-min")
	b.ReportMetric(slices.Max(ratios), "ratio-max")
}

// quantile is the nearest-rank quantile.
func quantile(list []float64, q float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[min(int(math.Ceil(q*float64(len(list)))), len(list))-1]
}

// percentiles are those that a curve of latencies is drawn through.
var percentiles = []float64{10, 25, 50, 75, 90, 95, 99, 99.9}

// curve reports latencies in milliseconds.
func curve(b *testing.B, name string, ms []float64) {
	for _, p := range percentiles {
		b.ReportMetric(quantile(ms, p/100), fmt.Sprintf("%s-p%g-ms", name, p))
	}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// describe prints lines of the benchmark format: what was measured with, and
// on what. They are those which go test does not print by itself.
func describe(w io.Writer) {
	line := func(key, value string) {
		if value = strings.TrimSpace(value); value != "" {
			fmt.Fprintf(w, "%s: %s\n", key, value)
		}
	}
	output := func(name string, args ...string) string {
		out, _ := exec.Command(name, args...).Output()
		return string(out)
	}
	line("date", time.Now().UTC().Format("2006-01-02"))
	line("version", output(binary, "version"))
	line("commit", output("git", "describe", "--always", "--dirty"))
	line("go", runtime.Version())
	line("driver", output("go", "list", "-m", "modernc.org/sqlite"))
	if v := strings.Fields(output("sqlite3", "--version")); len(v) > 0 {
		line("sqlite3", v[0])
	}
	line("kernel", output("uname", "-sr"))
	line("cpus", fmt.Sprint(runtime.NumCPU()))
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		line("memory", strings.TrimPrefix(strings.SplitN(string(text), "\n", 2)[0], "MemTotal:"))
	}
	line("disk", output("stat", "-f", "-c", "%T", os.TempDir()))
	line("short", fmt.Sprint(testing.Short()))
}

// told prints, as a benchmark's line, how much of the machine others used
// while the benchmarks ran: figures from a busy machine are no figures.
func told(w io.Writer, begun *cpuTimes) {
	if others, ok := begun.others(); ok {
		fmt.Fprintf(w, "BenchmarkMachine\t1\t%.3f others\n", others)
	}
}

// benchmarking reports whether go test was asked for benchmarks.
func benchmarking() bool {
	flag.Parse()
	f := flag.Lookup("test.bench")
	return f != nil && f.Value.String() != ""
}
