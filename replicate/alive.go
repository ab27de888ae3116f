package replicate

import (
	"fmt"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

// life is what a session does by the clock: it finds out whether the peer is
// still there, and records the watermark now and then.
type life struct {
	heard, pinged time.Time
	pings         uint64
	// trip is the shortest round trip so far, 0 if none was measured.
	trip time.Duration
	// probing is when a probe began, zero if none is under way.
	probing time.Time

	unconfirmed, confirming bool
	confirmedAt             time.Time
}

func (l *life) begin(now time.Time) { l.heard, l.pinged = now, now }

// hear notes that the peer said something, whatever it was.
func (l *life) hear(s *session) {
	l.heard = s.now
	if !l.probing.IsZero() {
		l.probing = time.Time{}
		s.do(alive{})
	}
}

// patience is when the peer is given up. While this side does not read, there
// is nothing to be heard and the peer is not to blame.
func (l *life) patience(s *session) time.Time {
	switch {
	case !l.probing.IsZero():
		return l.probing.Add(s.limits.probeWithin)
	case !s.isOpen:
		return l.heard.Add(s.limits.helloWithin)
	}
	return l.heard.Add(s.limits.deadAfter)
}

func (l *life) due(s *session) time.Time {
	due := l.patience(s)
	if s.outbox.busy {
		due = earlier(due, s.outbox.moved.Add(s.limits.stalledAfter))
	}
	if s.isOpen {
		due = earlier(due, l.pinged.Add(s.limits.pingEvery))
		if l.unconfirmed && !l.confirming {
			due = earlier(due, l.confirmedAt.Add(s.limits.confirmEvery))
		}
	}
	return due
}

func (s *session) keepAlive() {
	if !s.wantsRead() {
		s.life.heard = s.now
	}
	if !s.now.Before(s.life.patience(s)) {
		s.end(fmt.Errorf("%w for %v", errSilent, s.now.Sub(s.life.heard)))
		return
	}
	if s.outbox.busy && !s.now.Before(s.outbox.moved.Add(s.limits.stalledAfter)) {
		s.end(fmt.Errorf("%w for %v", errStalled, s.now.Sub(s.outbox.moved)))
		return
	}
	if s.isOpen && !s.now.Before(s.life.pinged.Add(s.limits.pingEvery)) {
		s.ping()
	}
}

func (s *session) ping() {
	s.life.pinged = s.now
	s.life.pings++
	s.outbox.ping = &wire.Ping{ID: s.life.pings}
}

// ponged measures the round trip: how long a batch of someone else's is held
// back depends on how far the peer is.
func (s *session) ponged(id uint64) {
	l := &s.life
	if id != l.pings {
		return
	}
	if trip := s.now.Sub(l.pinged); l.trip == 0 || trip < l.trip {
		l.trip = trip
		s.sender.relays.hold = s.limits.hold + min(2*trip, maxHold)
	}
}

func (s *session) probe() {
	if s.life.probing.IsZero() {
		s.life.probing = s.now
	}
	if s.isOpen {
		s.ping()
	}
}

// startConfirm records the watermark, but not with every Ack: it costs the
// store a write, and losing the last seconds of it costs nothing but a batch
// kept longer.
func (s *session) startConfirm() {
	l := &s.life
	if !l.unconfirmed || l.confirming || s.now.Before(l.confirmedAt.Add(s.limits.confirmEvery)) {
		return
	}
	l.unconfirmed, l.confirming, l.confirmedAt = false, true, s.now
	s.do(confirm{s.theirs.Clone()})
}

// watermark returns what of the peer's vector may not have been recorded, nil if
// all was. What is being recorded may come to nothing: the end breaks it off.
func (s *session) watermark() merge.Vector {
	if !s.life.unconfirmed && !s.life.confirming {
		return nil
	}
	return s.theirs.Clone()
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
