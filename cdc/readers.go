package cdc

import (
	"context"
	"sync/atomic"
	"time"
)

// With a write-ahead log readers are in nobody's way, but a transaction that
// has read and goes on to write is refused at once, whatever its busy_timeout,
// if somebody else writes then or has written since it read. Nobody can tell
// which readers are going to write. So we begin when there are none, as far as
// that comes soon.
const (
	// readersMost is for how long readers are waited for.
	readersMost = 10 * time.Millisecond
	// readersRest is for how long they are not, after there was always one.
	readersRest = 10 * readersMost
	// readersLook is the pause between two looks.
	readersLook = 100 * time.Microsecond
	// sealsApart is from one seal to the next while readers come in between,
	// which counts for crossedFor.
	sealsApart = 25 * time.Millisecond
	crossedFor = 2 * time.Second
)

// readers is how long to wait for those of other programs. The zero value is
// ready.
type readers struct {
	since time.Time // when the waiting began, zero if there is none
	rest  time.Time // until when there is none
	// crossed is when one was last seen to have come while we wrote, in
	// nanoseconds of Unix time.
	crossed atomic.Int64
}

// wait reports whether to wait before looking again.
func (r *readers) wait(now time.Time, reading bool) bool {
	switch {
	case !reading || now.Before(r.rest):
		r.since = time.Time{}
		return false
	case r.since.IsZero():
		r.since = now
	case now.Sub(r.since) >= readersMost:
		r.since, r.rest = time.Time{}, now.Add(readersRest)
		return false
	}
	return true
}

// apart is how long after the last seal the next one may begin. Transactions that
// cross ours are refused, so where some do we write less often: not after every
// commit of an application that makes one after the other. A dataset that was put
// before others is not held up by what is written in those.
func (r *readers) apart(now time.Time) time.Duration {
	if now.UnixNano()-r.crossed.Load() < int64(crossedFor) {
		return sealsApart
	}
	return 0
}

// noteReaders notes whether one has come since there were none.
func (s *Store) noteReaders() {
	if !s.shared.not && s.w.ReadElsewhere() {
		s.shared.readers.crossed.Store(time.Now().UnixNano())
	}
}

// awaitReaders lets other programs' transactions end, or begin to write.
func (s *Store) awaitReaders(ctx context.Context) error {
	for !s.shared.not && s.shared.readers.wait(time.Now(), s.w.ReadElsewhere()) {
		if err := sleep(ctx, readersLook); err != nil {
			return err
		}
	}
	return nil
}
