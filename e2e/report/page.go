package main

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

var english = message.NewPrinter(language.English)

// amount is a figure with as many digits as it is good for.
func amount(v float64) string {
	switch {
	case v >= 1000:
		return english.Sprintf("%d", int64(v+0.5))
	case v >= 10:
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func bound(most bool, v float64) string {
	switch {
	case v == 0:
		return "–"
	case most:
		return fmt.Sprintf("≤ %g", v)
	default:
		return fmt.Sprintf("≥ %g", v)
	}
}

func verdict(r *row, ratio float64) string {
	switch {
	case r.goal == 0:
		return ""
	case r.reached(ratio) >= 1:
		return "met"
	default:
		return "**missed**"
	}
}

// writePage writes the whole page.
func writePage(w io.Writer, m measures, settings map[string]string) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	p("# Benchmarks")
	p("")
	p("`make bench` writes this page: do not edit it. Absolute times say little about another machine, so every")
	p("figure is a multiple of a *floor*: what SQLite alone needs for the same rows, measured in the same run, by")
	p("turns with the measure. Raw inserts and updates are those of a prepared statement in one transaction, through")
	p("the SQLite driver that sqlsync uses. Ratios are medians over the rounds; the range is of all rounds.")
	p("")
	p("![How much of each goal is reached](benchmarks/goals.svg)")
	p("")
	writeTaken(p, m, settings)
	p("")
	p("| what | floor | floor's figure | sqlsync's | ratio | range | goal | | after that |")
	p("|---|---|---|---|---|---|---|---|---|")
	for i := range table {
		r := &table[i]
		floor, taken, ratio, ok := r.values(m)
		if !ok {
			continue
		}
		unit := strings.TrimPrefix(strings.TrimPrefix(r.unit, "p99-"), "p50-")
		spread := ""
		if lo, known := m[r.bench]["ratio-min"]; known && r.ratio == "" && lo != m[r.bench]["ratio-max"] {
			spread = fmt.Sprintf("%.2f–%.2f", lo, m[r.bench]["ratio-max"])
		}
		p("| %s | %s | %s %s | %s %s | %.2f | %s | %s | %s | %s |", r.what, r.floor, amount(floor), unit, amount(taken), unit,
			ratio, spread, bound(r.most, r.goal), verdict(r, ratio), bound(r.most, r.after))
	}
	writeMemory(p, m)
	for i := range growths {
		writeFlatness(p, m, &growths[i])
	}
	writeNotes(p, m)
	p("")
	p("![Latencies](benchmarks/latency.svg)")
	p("")
	p("## Growth")
	p("")
	p("What one change costs, in microseconds of processor time. *raw* is the same update in a database that nothing watches: what grows")
	p("there, grows in SQLite itself. *Scattered* changes are to rows all over the table, so that each is on a page of its")
	p("own; the others are to neighbours.")
	for i := range growths {
		writeGrowth(p, m, &growths[i])
	}
	p("")
	p("## Each row alone")
	p("")
	p("From the folder of the repository; `-short` for a look.")
	p("")
	p("```")
	seen := make(map[string]bool)
	for _, r := range table {
		if !seen[r.bench] {
			seen[r.bench] = true
			p("%s", command(r.bench))
		}
	}
	for _, g := range growths {
		p("%s", command(g.bench))
	}
	p("```")
}

func writeMemory(p func(string, ...any), m measures) {
	if most := m.most("serve-MB"); most > 0 {
		r := row{most: true, goal: 100}
		p("| memory of `serve`, the most in any of the above | – | | %s MB | | | ≤ 100 MB | %s | ≤ 64 MB |", amount(most), verdict(&r, most))
	}
	peers := growths[2].points(m)
	if len(peers) < 2 || peers[0].metrics["hub-MB"] == 0 {
		return
	}
	first, last := peers[0], peers[len(peers)-1]
	r := row{most: true, goal: 10}
	more := last.metrics["hub-MB"] - first.metrics["hub-MB"]
	p("| memory of `serve` with %g idle peers | with %g | %s MB | %s MB | | | ≤ 10 MB more | %s | ≤ 5 MB more |", last.size, first.size,
		amount(first.metrics["hub-MB"]), amount(last.metrics["hub-MB"]), verdict(&r, more))
}

func writeFlatness(p func(string, ...any), m measures, g *growth) {
	list := g.points(m)
	if len(list) < 2 || g.cost(list[0]) == 0 {
		return
	}
	first, last := list[0], list[len(list)-1]
	r := row{most: true, goal: 1.2}
	ratio := g.cost(last) / g.cost(first)
	p("| growth: %s, %s to %s | itself, smallest | %s µs | %s µs | %.2f | | ≤ 1.2 | %s | – |", g.what, amountOf(first.size), amountOf(last.size),
		amount(g.cost(first)), amount(g.cost(last)), ratio, verdict(&r, ratio))
}

// amountOf is a whole number.
func amountOf(v float64) string { return english.Sprintf("%d", int64(v)) }

func writeNotes(p func(string, ...any), m measures) {
	p("")
	for _, policy := range []string{"lww", "row"} {
		if v, ok := m["FileGrowth/"+policy]["updated-ratio"]; ok {
			p("After an update of two columns of every row, `%s` takes %.2f × the plain table more.", policy, v)
		}
	}
	if v, ok := m["Latency"]["p99-to-p99"]; ok {
		p("The p99 of the latency is %.2f × the p99 of its floor.", v)
	}
	if v, ok := m["Interference"]["p50-ratio"]; ok {
		p("The application's median write takes %.2f × as long while its node applies.", v)
	}
}

func writeGrowth(p func(string, ...any), m measures, g *growth) {
	list := g.points(m)
	if len(list) == 0 {
		return
	}
	p("")
	p("| %s | %s |", g.by, strings.Join(g.lines, " | "))
	p("|%s", strings.Repeat("---|", 1+len(g.lines)))
	for _, pt := range list {
		var cells []string
		for _, l := range g.lines {
			cells = append(cells, amount(pt.metrics[l+"-µs/change"]))
		}
		p("| %s | %s |", amountOf(pt.size), strings.Join(cells, " | "))
	}
	p("")
	p("![Cost of a change by %s](benchmarks/%s.svg)", g.by, g.by)
}
