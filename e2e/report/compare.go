package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// compared is the benchmark of which every sub-benchmark is one replicator.
const compared = "Compare/"

// compares reports whether these are figures of make bench-compare.
func (m measures) compares() bool {
	_, ok := m[compared+"sqlsync"]
	return ok
}

// writeComparison writes the page of make bench-compare.
func writeComparison(w io.Writer, m measures, settings map[string]string) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	p("# Beside others")
	p("")
	p("`make bench-compare` writes this page: do not edit it. Each replicator gets the same work in the same run: a bulk")
	p("insert of orders in one transaction, with changes captured; then everything that it needs to encode the changes")
	p("and to apply them to an empty table in another file. The floor of both is the same insert into a table that")
	p("nothing watches. Reading the rows back and keeping apart who wrote which column, signatures and history are part")
	p("of what some do and others do not: SQLite's session extension only moves the rows.")
	p("")
	writeTaken(p, m, settings)
	p("")
	p("| | insert, × the plain insert | encode and apply, rows/s | part of the plain insert's rate |")
	p("|---|---|---|---|")
	var names []string
	for name := range m {
		if strings.HasPrefix(name, compared) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return int(m[b]["exchange-rows/s"] - m[a]["exchange-rows/s"])
	})
	for _, name := range names {
		f := m[name]
		p("| %s | %.2f | %s | %.2f |", strings.TrimPrefix(name, compared), f["capture-ratio"], amount(f["exchange-rows/s"]), f["exchange-ratio"])
	}
	p("")
	p("What was there to compare with:")
	p("")
	var lines []string
	for key, value := range settings {
		if name, ok := strings.CutPrefix(key, "other-"); ok {
			lines = append(lines, fmt.Sprintf("* %s: %s", name, value))
		}
	}
	slices.Sort(lines)
	for _, l := range lines {
		p("%s", l)
	}
	p("")
	p("```")
	p("%s", command(strings.TrimSuffix(compared, "/")))
	p("```")
}
