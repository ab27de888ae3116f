package cdc

import (
	"testing"
	"time"
)

func TestQuiet(t *testing.T) {
	var q quiet
	now := time.Unix(1, 0)
	for round := range 2 {
		begun := now
		for q.written(now) > 0 {
			now = now.Add(10 * time.Millisecond)
		}
		if kept := now.Sub(begun); kept != quietMost {
			t.Errorf("round %d: kept away for %v, want %v", round, kept, quietMost)
		}
		q.looked()
	}
	if got := q.written(now); got != quietFor {
		t.Errorf("after one write kept away for %v, want %v", got, quietFor)
	}
}
