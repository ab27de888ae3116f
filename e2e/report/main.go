// Command report writes docs/benchmarks.md and its plots, or docs/comparison.md,
// from what go test -bench printed:
//
//	report ../../bin/bench.txt ../../docs
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: report OUTPUT-OF-GO-TEST DOCS-FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(input, docs string) error {
	f, err := os.Open(input)
	if err != nil {
		return err
	}
	defer f.Close()
	m, settings, err := read(f, input)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if m.compares() {
		writeComparison(&page, m, settings)
		return os.WriteFile(filepath.Join(docs, "comparison.md"), page.Bytes(), 0o644)
	}
	plots := filepath.Join(docs, "benchmarks")
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	errs := []error{drawGoals(m, plots), drawLatencies(m, plots)}
	for i := range growths {
		errs = append(errs, drawGrowth(m, &growths[i], plots))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	writePage(&page, m, settings)
	return os.WriteFile(filepath.Join(docs, "benchmarks.md"), page.Bytes(), 0o644)
}
