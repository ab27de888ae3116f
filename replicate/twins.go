package replicate

import (
	"errors"
	"time"
)

// A node has one connection at a time. Where its database was copied with its
// key and both copies are served, they take each other's place again and again.

// ErrTwins says that two databases connect with one key.
var ErrTwins = errors.New("two databases connect with its key and take turns: one is a copy of the other")

const (
	// stillHeard is how lately something came on a connection that is not one
	// its peer has lost.
	stillHeard = 4 * time.Second
	// twinTurns within twinTime are no accident; a sync now and then beside a
	// running serve makes fewer.
	twinTurns = 5
	twinTime  = time.Minute
)

// turn notes that a connection takes the place of another.
func (l *link) turn(rival *conn, now time.Time) {
	if now.Sub(rival.view().heard) > stillHeard {
		return
	}
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	was := l.twins(now)
	if l.turns = append(l.turns, now); len(l.turns) > twinTurns {
		l.turns = l.turns[1:]
	}
	if !was && l.twins(now) {
		l.node.options.Log.Warn("two databases connect with one key and take turns: one is a copy of the other", "peer", l.remote.Name)
	}
}

// twins reports whether turns were taken too often lately. The node's mutex is
// held.
func (l *link) twins(now time.Time) bool {
	n := len(l.turns)
	return n == twinTurns && l.turns[n-1].Sub(l.turns[0]) < twinTime && now.Sub(l.turns[n-1]) < twinTime
}
