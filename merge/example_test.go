package merge_test

import (
	"fmt"
	"time"

	"sqlsync/merge"
)

// A clock runs forward whatever the machine's clock does, and behind whatever it
// has seen of others.
func ExampleClock() {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var c merge.Clock
	first := c.Next(merge.At(noon))
	second := c.Next(merge.At(noon.Add(-time.Hour))) // the machine's clock was set back
	fmt.Println(second > first, second.Time().Format(time.TimeOnly))
	// Output: true 12:00:00
}

// A vector says what a node has applied of every node's chain.
func ExampleVector() {
	office, till := merge.NodeID{1}, merge.NodeID{2}
	here := merge.Vector{office: {Seq: 7}, till: {Seq: 2}}
	there := merge.Vector{office: {Seq: 7}}
	fmt.Println(here.Covers(there), there.Covers(here))
	// Output: true false
}
