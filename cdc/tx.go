package cdc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/wire"
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
	// author is whom this transaction seals as; renewed says why it is another
	// since this transaction.
	author  *author
	renewed string
	// before is the clock when the transaction began, to save it only when it
	// moved.
	before merge.HLC
	// forks are those that were found, ends all that a peer has another one of;
	// restatements are what restate is to do, reminders what sayAgain is.
	forks, ends  []Fork
	restatements []restated
	reminders    []restated
	// heldAgain are held rows of which the next seal emits the insert.
	heldAgain heldKeys
	// args is room for a statement's arguments.
	args []any
	// followed says that the caller begins another transaction at once, and waits
	// until both are durable.
	followed bool
	// together says that a seal is not cut by a number of rows.
	together bool
	// rekeyed are rows of others that were given other keys.
	rekeyed []moved
	// keyLosses are rows that lost their keys in this transaction.
	keyLosses []keyLoss
	// alongside are rows of others that may have gone along with rekeyed ones.
	alongside []alongside
	suspects  suspects
	// insisted is what a restore writes once more.
	insisted *insisted
	// claimBuf is room for a claim's name.
	claimBuf []byte
	// work is what the transaction did of which subscribers are told.
	work Work
	// held are the batches that it came to hold, by dataset.
	held map[string][]wire.Held
	// locked is since when others cannot write, had for how long they could not,
	// 0 until that is over.
	locked time.Time
	had    time.Duration
}

// begin says when a transaction takes the write lock.
type begin string

const (
	immediately begin = `BEGIN IMMEDIATE`
	// alone is immediately on a file with a rollback journal, when nobody reads
	// it: an application that has read and goes on to write would be refused
	// at once, whatever its busy_timeout, if we had begun meanwhile.
	alone begin = `BEGIN EXCLUSIVE`
	// whenWriting is for a transaction that reads much before it writes, on a
	// file with a write-ahead log: until its first write the application may
	// write. If it has, SQLite refuses that first write as busy, because what
	// was read is no longer so, and the transaction is run again immediately.
	whenWriting begin = `BEGIN`
)

// writes notes that the transaction begins to write.
func (t *tx) writes() {
	if t.locked.IsZero() {
		t.locked = time.Now()
	}
}

// errClosed says that the store was closed meanwhile.
var errClosed = errors.New("the store is closed")

// write runs fn in one transaction and commits it durably. Another program's
// lock is waited for, and a table that cannot be sealed is left out: fn may run
// several times, each time from the start, so it must set what it reports
// rather than add to it.
func (s *Store) write(ctx context.Context, fn func(*tx) error) error {
	return s.transact(ctx, ahead, immediately, fn)
}

// writeIn is write for a dataset, in its turn.
func (s *Store) writeIn(ctx context.Context, dataset string, fn func(*tx) error) error {
	return s.transact(ctx, s.rank(dataset).priority, immediately, fn)
}

// transact is write with a say in whose turn it is and when the lock is taken.
func (s *Store) transact(ctx context.Context, priority int64, when begin, fn func(*tx) error) error {
	when, err := s.enter(ctx, priority, when)
	if err != nil {
		return err
	}
	defer s.turns.pass()
	if s.w == nil {
		return errClosed
	}
	var did Work
	var ran, locked time.Duration
	var ended time.Time
	err = s.withStubs(ctx, func() error {
		return s.retry(ctx, func() error {
			for {
				var err error
				begun := time.Now()
				s.shared.freed = time.Time{}
				did, locked, err = s.attempt(ctx, when, fn)
				if ended = s.shared.freed; ended.IsZero() {
					ended = time.Now()
				}
				ran = ended.Sub(begun)
				if when = immediately; !s.setAside(err) {
					return err
				}
			}
		})
	})
	s.shared.rest(ended, priority, err == nil && did.grown, ran, locked)
	if err == nil {
		s.observe(did)
		s.checkpoint()
	}
	return err
}

// enter takes the writer, after leaving the lock to the application as rest has
// noted. What goes before the last one does not pay for it, and where reading
// comes first that is pause enough.
func (s *Store) enter(ctx context.Context, priority int64, when begin) (begin, error) {
	for {
		if err := s.turns.take(ctx, priority); err != nil {
			return when, err
		}
		if when == whenWriting && s.w != nil && !s.writesAhead() {
			when = immediately
		}
		rest := time.Until(s.shared.until)
		if rest < 50*time.Microsecond || priority > s.shared.priority || when == whenWriting && !s.shared.above(time.Now(), priority) {
			return when, nil
		}
		s.turns.pass()
		if err := sleep(ctx, rest); err != nil {
			return when, err
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

// writesAhead reports whether the file has a write-ahead log. Otherwise who
// reads keeps others from writing.
func (s *Store) writesAhead() (is bool) {
	err := s.w.Query(func(row []any) error {
		is = row[0] == "wal"
		return sqlconn.Stop
	}, `PRAGMA main.journal_mode`)
	return err == nil && is
}

// attempt is one try; locked is for how long it kept others from writing.
func (s *Store) attempt(ctx context.Context, when begin, fn func(*tx) error) (did Work, locked time.Duration, err error) {
	if err := ctx.Err(); err != nil {
		return did, locked, err
	}
	if err := s.present(); err != nil {
		return did, locked, err
	}
	how, ahead := when, when == whenWriting || s.writesAhead()
	later := ahead && s.durable.later.Load()
	if err := s.beforeBegin(later); err != nil {
		return did, locked, s.explainWrite(err)
	}
	switch {
	case !ahead:
		how = alone
	case when == immediately:
		if err := s.awaitReaders(ctx); err != nil {
			return did, locked, err
		}
	}
	if _, err := s.w.Exec(string(how)); err != nil {
		return did, locked, s.explainWrite(err)
	}
	begun := time.Now()
	t := &tx{Conn: s.w, ctx: ctx, s: s, now: s.now()}
	if when == immediately {
		t.writes()
	}
	defer func() {
		if locked = t.had; locked == 0 {
			t.writes()
			locked = time.Since(t.locked)
		}
	}()
	defer func() {
		if err != nil {
			s.cfg = nil // it may describe what was just rolled back
			// Of a full disk SQLite has rolled back by itself.
			if _, rerr := s.w.Exec(`ROLLBACK`); rerr != nil && !sqlconn.Busy(err) && !sqlconn.Full(err) && !s.durable.not.Load() {
				err = errors.Join(err, rerr)
			}
		}
	}()
	if err := t.noteOthers(); err != nil {
		return did, locked, err
	}
	if err := t.load(); err != nil {
		return did, locked, err
	}
	if err := fn(t); err != nil {
		return did, locked, err
	}
	if err := t.saveClock(); err != nil {
		return did, locked, err
	}
	confirmed := s.watermarks.take()
	defer func() {
		if err != nil {
			s.watermarks.putBack(confirmed)
		}
	}()
	if err := t.saveWatermarks(confirmed); err != nil {
		return did, locked, err
	}
	s.noteReaders()
	if later {
		err = s.commitThenSync(t)
	} else if err = s.commit(); err == nil {
		s.tail.add(t.held)
	}
	if err != nil {
		return did, locked, err
	}
	s.lastHLC = t.clock.Last
	if !t.followed && t.clock.Last != s.testified {
		s.testify(t.clock.Last)
	}
	if t.author != s.author.Load() {
		t.author.mine = maps.Clone(t.cfg.origins.mine)
		s.author.Store(t.author)
	}
	s.logForks(t.forks)
	if t.renewed != "" {
		s.log.Warn("this database goes on as another author; what it lost comes back from peers",
			"db", s.path, "why", t.renewed, "author", t.author.Node.String())
	}
	t.work.Took = time.Since(begun)
	return t.work, locked, nil
}

// commit commits durably. In rollback-journal mode that waits for readers, and while
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
	var hlc int64
	var salt []byte
	if err := t.Query(func(row []any) error {
		hlc, _ = row[0].(int64)
		salt, _ = row[1].([]byte)
		return nil
	}, `SELECT hlc, salt FROM sqlsync_node`); err != nil {
		return err
	}
	t.clock.Last, t.before = merge.HLC(hlc), merge.HLC(hlc)
	if t.clock.Last < t.s.lastHLC {
		return ErrRestored // it only ever rises
	}
	if err := t.readAuthor(salt); err != nil {
		return err
	}
	if err := t.tryAgain(); err != nil {
		return err
	}
	err := t.configure()
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
