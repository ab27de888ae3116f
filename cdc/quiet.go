package cdc

import "time"

// With a rollback journal readers and writers keep each other out, and an
// application without a busy_timeout fails whenever it meets us. So there we
// keep away while it writes one transaction after the other. With a write-ahead
// log readers are in nobody's way, and whatever is committed is sealed at once.
const (
	// quietFor is how long the file must not have been written to before it is
	// looked at.
	quietFor = 15 * time.Millisecond
	// quietMost is after how long it is looked at none the less: right behind
	// a write, when the next one is farthest.
	quietMost = 200 * time.Millisecond
)

// quiet keeps away from a file that is being written to. The zero value does.
type quiet struct {
	first time.Time // when the writing was noticed, zero if there is none
}

// written notes a write and returns how long to keep away, 0 for no longer.
func (q *quiet) written(now time.Time) time.Duration {
	if q.first.IsZero() {
		q.first = now
	}
	if now.Sub(q.first) >= quietMost {
		return 0
	}
	return quietFor
}

// looked notes that the file is looked at now.
func (q *quiet) looked() { q.first = time.Time{} }
