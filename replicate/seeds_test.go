package replicate

import (
	"flag"
	"slices"
	"testing"
)

var (
	seedFlag = flag.Uint64("seed", 0, "run the simulation with this seed only")
	runsFlag = flag.Int("runs", 8, "how many seeds to simulate")
)

func seeds(testing.TB) []uint64 {
	if *seedFlag != 0 {
		return []uint64{*seedFlag}
	}
	var out []uint64
	runs := *runsFlag
	if testing.Short() {
		runs = min(runs, 2)
	}
	for i := range runs {
		out = append(out, uint64(i+1))
	}
	return out
}

// sortEnds orders connections by when they were made.
func sortEnds(ends []*simEnd) {
	slices.SortFunc(ends, func(a, b *simEnd) int { return a.number - b.number })
}
