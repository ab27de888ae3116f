package cdc

import "time"

// A large transaction is many thousand writes before its commit, and looking
// after each would take a processor from the application that makes it.

const (
	// largeWrites is how many writes without a commit make a transaction large,
	// if no more than largeGap is between them; a commit is two or three.
	largeWrites = 8
	largeGap    = 10 * time.Millisecond
	// largePause is between two looks while one goes on.
	largePause = 2 * time.Millisecond
)

// large tells whether one goes on.
type large struct {
	writes       int
	last, looked time.Time
}

// event notes a write, and reports whether it is one of a large transaction.
func (l *large) event(now time.Time) bool {
	if now.Sub(l.last) > largeGap {
		l.writes = 0
	}
	l.last = now
	l.writes++
	return l.writes > largeWrites
}

// look notes that it was looked, and whether there was a commit.
func (l *large) look(now time.Time, commit bool) {
	l.looked = now
	if commit {
		l.writes = 0
	}
}
