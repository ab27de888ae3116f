package cdc

import (
	"testing"
	"time"
)

// Whoever found the lock held asks again, as SQLite does, while it is free.
func TestTheLockIsFreeUntilOthersComeRound(t *testing.T) {
	step := 100 * time.Microsecond
	for held := step; held < 2*atOnce; held += step {
		free := comesRound(held)
		for waited := time.Duration(0); waited < held; waited += step { // since it asked first
			ms := 0
			for _, next := range []int{1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50} {
				if ms += next; time.Duration(ms)*time.Millisecond >= waited {
					break
				}
			}
			if at := time.Duration(ms) * time.Millisecond; waited <= 100*time.Millisecond && at >= waited+free {
				t.Fatalf("held for %v and free for %v: who has waited for %v asks after %v", held, free, waited, at)
			}
		}
	}
}

// rested is how long the lock is left alone after a transaction that had it
// from the end of the one before.
func rested(l *shared, priority int64, grown bool, locked time.Duration) time.Duration {
	l.rest(l.ended.Add(locked), priority, grown, locked, locked)
	return l.until.Sub(l.ended)
}

// While nobody else writes, the lock is left alone after many transactions
// only; while the application does, after each that is worth it.
func TestTheLockIsLeftAlone(t *testing.T) {
	l := shared{ended: time.Now()}
	if d := rested(&l, 0, true, atOnce/2); d != 0 {
		t.Errorf("the first half: rests for %v", d)
	}
	if d := rested(&l, 0, true, atOnce/2); d != comesRound(atOnce) {
		t.Errorf("both: rests for %v", d)
	}
	rested(&l, 0, true, atOnce/2)
	l.rest(l.ended.Add(time.Second), 0, true, atOnce/2, atOnce/2)
	if l.until != l.ended {
		t.Error("rests, though it has just done so")
	}
	l.writing, l.held = true, 0
	if d := rested(&l, 0, true, atOnceShared/4); d != 0 {
		t.Errorf("a short one: rests for %v", d)
	}
	if d := rested(&l, 0, true, 10*atOnceShared); d != comesRound(10*atOnceShared+atOnceShared/4) {
		t.Errorf("a long one beside the application: rests for %v", d)
	}
}

// A dataset that others go before rests for as long as it worked.
func TestLesserDatasetsRest(t *testing.T) {
	l := shared{ended: time.Now()}
	rested(&l, 10, true, time.Microsecond)
	if d := rested(&l, 0, true, yieldMost/2); d != yieldMost/2 {
		t.Errorf("rests for %v", d)
	}
	if d := rested(&l, 10, true, time.Microsecond); d != 0 {
		t.Errorf("the more urgent rests for %v", d)
	}
	l.rest(l.ended.Add(2*lately), 0, true, yieldMost/2, yieldMost/2)
	if l.until != l.ended {
		t.Error("rests though nothing urgent goes on")
	}
}
