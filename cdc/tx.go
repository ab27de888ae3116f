package cdc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
)

// tx is one write transaction: BEGIN IMMEDIATE … COMMIT on the store's writer,
// with the configuration as it is inside the transaction.
type tx struct {
	*sqlconn.Conn
	ctx   context.Context
	s     *Store
	cfg   *config
	now   time.Time
	clock merge.Clock
	// before is the clock when the transaction began, to save it only when it
	// moved.
	before merge.HLC
	// args is room for a statement's arguments.
	args []any
	// rekeyed are rows of others that were given other keys.
	rekeyed []moved
	// keyLosses are rows that lost their keys in this transaction.
	keyLosses []keyLoss
	suspects  suspects
	// claimBuf is room for a claim's name.
	claimBuf []byte
	// work is what the transaction did of which subscribers are told.
	work Work
}

// errClosed says that the store was closed meanwhile.
var errClosed = errors.New("the store is closed")

// write runs fn in one transaction and commits it durably. Another program's
// lock is waited for, and a table that cannot be sealed is left out: fn may run
// several times, each time from the start, so it must set what it reports
// rather than add to it.
func (s *Store) write(ctx context.Context, fn func(*tx) error) error {
	return s.writeAt(ctx, ahead, fn)
}

// writeIn is write for a dataset, in its turn.
func (s *Store) writeIn(ctx context.Context, dataset string, fn func(*tx) error) error {
	return s.writeAt(ctx, s.rank(dataset).priority, fn)
}

func (s *Store) writeAt(ctx context.Context, priority int64, fn func(*tx) error) error {
	if err := s.enter(ctx, priority); err != nil {
		return err
	}
	defer s.turns.pass()
	if s.w == nil {
		return errClosed
	}
	var did Work
	err := s.withStubs(ctx, func() error {
		return s.retry(ctx, func() error {
			for {
				var err error
				if did, err = s.attempt(ctx, fn); !s.setAside(err) {
					return err
				}
			}
		})
	})
	s.rest(priority, err == nil && did.grown)
	if err == nil {
		s.observe(did)
	}
	return err
}

// yieldMost bounds the pause between two transactions.
const yieldMost = 20 * time.Millisecond

// lately is for how long a dataset that was written to counts as busy.
const lately = 5 * time.Second

// busyAbove reports whether something goes on that is more urgent. Whoever asks
// has the writer.
func (s *Store) busyAbove(priority int64) bool {
	return priority < s.busy.priority && time.Since(s.busy.at) < lately
}

// rest notes how long the writer is left alone after a transaction: while
// something more urgent goes on, what is less urgent takes half of the time at
// most, of the lock and so of the processors.
func (s *Store) rest(priority int64, grown bool) {
	now := time.Now()
	took := min(s.lastTook/4, yieldMost)
	if s.busyAbove(priority) {
		took = min(s.lastTook, yieldMost)
	} else if grown && priority != ahead {
		s.busy.priority, s.busy.at = priority, now
	}
	s.restUntil, s.lastPriority, s.lastTook = now.Add(took), priority, 0
}

// enter takes the writer, after leaving the lock to the application for a part
// of the time for which the transactions before had it. Whoever waits for a
// lock of SQLite's asks for it now and then, so without a pause it might ask in
// vain for long. What goes before the last one does not pay for it.
func (s *Store) enter(ctx context.Context, priority int64) error {
	for {
		if err := s.turns.take(ctx, priority); err != nil {
			return err
		}
		rest := time.Until(s.restUntil)
		if rest < 50*time.Microsecond || priority > s.lastPriority {
			return nil
		}
		s.turns.pass()
		if err := sleep(ctx, rest); err != nil {
			return err
		}
	}
}

// retry calls fn until another program's lock is out of its way. The pauses
// grow and are jittered, so that two nodes on one file do not march in step.
// Waiting here and not in SQLite's busy handler means that nothing of ours is
// locked meanwhile.
func (s *Store) retry(ctx context.Context, fn func() error) error {
	var waited time.Duration
	for {
		err := fn()
		if !sqlconn.Busy(err) {
			return err
		}
		if s.lockWait > 0 && waited >= s.lockWait {
			return fmt.Errorf("%w (waited %v)", ErrLocked, s.lockWait)
		}
		pause := min(max(waited/4, 200*time.Microsecond), 25*time.Millisecond)
		nap := pause/2 + rand.N(pause)
		waited += nap
		t := time.NewTimer(nap)
		select {
		case <-ctx.Done():
			t.Stop()
			return errors.Join(ctx.Err(), ErrLocked)
		case <-t.C:
		}
	}
}

func (s *Store) attempt(ctx context.Context, fn func(*tx) error) (did Work, err error) {
	if err := ctx.Err(); err != nil {
		return did, err
	}
	if err := s.present(); err != nil {
		return did, err
	}
	if _, err := s.w.Exec(`BEGIN IMMEDIATE`); err != nil {
		return did, s.explainWrite(err)
	}
	begun := time.Now()
	defer func() { s.lastTook = time.Since(begun) }()
	defer func() {
		if err != nil {
			s.cfg = nil // it may describe what was just rolled back
			// Of a full disk SQLite has rolled back by itself.
			if _, rerr := s.w.Exec(`ROLLBACK`); rerr != nil && !sqlconn.Busy(err) && !sqlconn.Full(err) {
				err = errors.Join(err, rerr)
			}
		}
	}()
	t := &tx{Conn: s.w, ctx: ctx, s: s, now: s.now()}
	if err := t.load(); err != nil {
		return did, err
	}
	if err := fn(t); err != nil {
		return did, err
	}
	if err := t.saveClock(); err != nil {
		return did, err
	}
	confirmed := s.watermarks.take()
	defer func() {
		if err != nil {
			s.watermarks.putBack(confirmed)
		}
	}()
	if err := t.saveWatermarks(confirmed); err != nil {
		return did, err
	}
	if err := s.commit(); err != nil {
		return did, err
	}
	t.work.Took = time.Since(begun)
	return t.work, nil
}

// commit commits. In rollback-journal mode that waits for readers, and while
// it waits no new reader gets in; so after a few tries the transaction is
// given up and run again later: the application goes first.
func (s *Store) commit() error {
	var err error
	for try := range 5 {
		if _, err = s.w.Exec(`COMMIT`); !sqlconn.Busy(err) {
			break
		}
		time.Sleep(time.Duration(1+try) * time.Millisecond)
	}
	return err
}

func (s *Store) explainWrite(err error) error {
	if sqlconn.Busy(err) {
		return err
	}
	return s.explain(err)
}

func (t *tx) load() error {
	hlc, err := t.Int(`SELECT hlc FROM sqlsync_node`)
	if err != nil {
		return err
	}
	t.clock.Last, t.before = merge.HLC(hlc), merge.HLC(hlc)
	if err := t.tryAgain(); err != nil {
		return err
	}
	err = t.configure()
	if err == nil {
		t.s.cookie = t.cfg.schemaVersion
	}
	return err
}

func (t *tx) saveClock() error {
	if t.clock.Last == t.before {
		return nil
	}
	_, err := t.Exec(`UPDATE sqlsync_node SET hlc = ?`, int64(t.clock.Last))
	return err
}
