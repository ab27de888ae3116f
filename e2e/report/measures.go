package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// measures are metrics by benchmark and unit.
type measures map[string]map[string]float64

// procs is what go test adds to a benchmark's name.
var procs = regexp.MustCompile(`-\d+$`)

// read reads the output of go test -bench, and the lines with settings in it.
func read(r io.Reader, name string) (measures, map[string]string, error) {
	m, settings := make(measures), make(map[string]string)
	in := benchfmt.NewReader(r, name)
	for in.Scan() {
		switch rec := in.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, nil, rec
		case *benchfmt.Result:
			metrics := make(map[string]float64)
			for _, v := range rec.Values {
				if v.OrigUnit != "" {
					metrics[v.OrigUnit] = v.OrigValue
				} else {
					metrics[v.Unit] = v.Value
				}
			}
			m[procs.ReplaceAllString(string(rec.Name), "")] = metrics
			for _, c := range rec.Config {
				settings[c.Key] = string(c.Value)
			}
		}
	}
	if len(m) == 0 {
		return nil, nil, fmt.Errorf("%s: there is no benchmark in it", name)
	}
	return m, settings, in.Err()
}

// point is a benchmark at one size.
type point struct {
	size    float64
	metrics map[string]float64
}

// points are the sub-benchmarks of a growth, smallest first.
func (g *growth) points(m measures) (list []point) {
	for name, metrics := range m {
		if size, ok := strings.CutPrefix(name, g.bench+"/"+g.by+"="); ok {
			if n, err := strconv.ParseFloat(size, 64); err == nil {
				list = append(list, point{n, metrics})
			}
		}
	}
	slices.SortFunc(list, func(a, b point) int { return int(a.size - b.size) })
	return list
}

// cost is what a change costs at a point.
func (g *growth) cost(p point) (sum float64) {
	for _, s := range g.sum {
		sum += p.metrics[s+"-µs/change"]
	}
	return sum
}

// most is the largest of a metric over all benchmarks.
func (m measures) most(unit string) (most float64) {
	for _, metrics := range m {
		most = max(most, metrics[unit])
	}
	return most
}
