package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// printed is what go test -bench prints.
const printed = `date: 2026-01-02
sqlite3: 3.40.1
short: false
goos: linux
goarch: amd64
cpu: A processor
BenchmarkCapture/bulk-2 	       1	       100.0 floor-ms	       150.0 ms	         1.500 ratio	         1.600 ratio-max	         1.400 ratio-min
BenchmarkSeal-2         	       1	    400000 floor-rows/s	         0.5000 ratio	         0.6000 ratio-max	         0.4000 ratio-min	    200000 rows/s
BenchmarkEndToEnd-2     	       1	    400000 floor-rows/s	         0.5000 ratio	         0.6000 ratio-max	         0.4000 ratio-min	    200000 rows/s	        60.93 serve-MB
BenchmarkGrowthRows/rows=10000-2  	       1	 20.0 apply-µs/change	 5.0 raw-µs/change	 20.0 seal-µs/change	 5.0 write-µs/change
BenchmarkGrowthRows/rows=1000-2   	       1	 10.0 apply-µs/change	 4.0 raw-µs/change	 10.0 seal-µs/change	 5.0 write-µs/change
BenchmarkLatency-2      	       1	 1.0 floor-p50-ms	 2.0 commit-p50-ms	 5.0 commit-p99-ms	 2.0 p50-ratio	 5.0 p99-ratio
PASS
BenchmarkMachine	1	0.300 others
ok  	sqlsync/e2e	6.081s
`

func TestReport(t *testing.T) {
	dir := t.TempDir()
	input := filepath.Join(dir, "bench.txt")
	if err := os.WriteFile(input, []byte(printed), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(input, dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Taken 2026-01-02", "A processor", "3.40.1",
		"**Noisy**: other programs used 30 %",
		"| 100 ms | 150 ms | 1.50 | 1.40–1.60 | ≤ 1.6 | met | ≤ 1.4 |",
		"| 400,000 rows/s | 200,000 rows/s | 0.50 | 0.40–0.60 | ≥ 0.7 | **missed** | ≥ 1 |",
		"| 1.00 ms | 5.00 ms | 5.00 |  | ≤ 6 | met | ≤ 3 |",
		"| 61 MB | | | ≤ 100 MB | met |",
		"1,000 to 10,000 | itself, smallest | 25 µs | 45 µs | 1.80 |",
		"-bench '^BenchmarkCapture$/^bulk$'",
	} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(string(page), "with `-short`") {
		t.Error("the page says that it was taken with -short")
	}
	for _, plot := range []string{"goals.svg", "latency.svg", "rows.svg"} {
		if svg, err := os.ReadFile(filepath.Join(dir, "benchmarks", plot)); err != nil || !bytes.Contains(svg, []byte("<svg")) {
			t.Errorf("%s: %v", plot, err)
		}
	}
	if err := run(filepath.Join(dir, "benchmarks.md"), dir); err == nil {
		t.Error("a page without figures was made")
	}
}
