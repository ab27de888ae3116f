package cdc

import (
	"testing"
	"time"
)

func TestLargeTransactions(t *testing.T) {
	now := time.Now()
	var l large
	for i := range 100 {
		if got := l.event(now); got != (i >= largeWrites) {
			t.Fatalf("write %d: large is %v", i+1, got)
		}
		l.look(now, false)
		now = now.Add(time.Millisecond)
	}
	l.look(now, true)
	if l.event(now) {
		t.Error("large after a commit")
	}
	for range 100 { // one page now and then, as of a checkpoint
		now = now.Add(2 * largeGap)
		if l.event(now) {
			t.Fatal("writes far apart are large")
		}
	}
}
