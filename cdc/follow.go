package cdc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sqlsync/cdc/internal/filewatch"
	"sqlsync/cdc/internal/sqlconn"
)

const (
	// pollFirst is the pause after a file event before the first look again.
	// The last write of a commit becomes visible a moment after the event it
	// causes, and without another one, so looking once is not enough.
	pollFirst = 100 * time.Microsecond
	// pollNotified and pollAlone bound the pauses between looks at
	// data_version, with file notification and without.
	pollNotified = time.Second
	pollAlone    = 20 * time.Millisecond
	// lastFlush is how long the end waits for an application's lock to write
	// watermarks, which may be lost.
	lastFlush = time.Second
	// lookWithin is for how long one look waits for a lock of the application,
	// during which nothing can end it. lockedFor is after how long that is told.
	lookWithin = 200 * time.Millisecond
	lockedFor  = readWithin
)

// Follow seals whatever applications commit, within milliseconds, and tells
// subscribers what other processes of ours did, until ctx ends. It returns
// ctx's error, or the reason why it cannot go on.
func (s *Store) Follow(ctx context.Context) error { return s.follow(ctx, true) }

// Watchdog tells subscribers what other processes do, like Follow, but writes
// nothing.
func (s *Store) Watchdog(ctx context.Context) error { return s.follow(ctx, false) }

func (s *Store) follow(ctx context.Context, write bool) error {
	w, err := filewatch.New(s.path)
	if err != nil {
		s.log.Warn("no file notification, polling instead", "err", err)
		w = &filewatch.Watcher{}
	}
	defer w.Close()
	conn, err := sqlconn.Open(ctx, s.db.DB)
	if err != nil {
		return fmt.Errorf("follow %s: %w", s.path, err)
	}
	defer conn.Close()
	if err := conn.WaitFor(lookWithin); err != nil {
		return fmt.Errorf("follow %s: %w", s.path, err)
	}
	defer conn.WaitFor(readWithin)
	slowest := pollAlone
	if w.Events != nil {
		slowest = pollNotified
	}
	if write {
		s.durable.later.Store(true)
		defer s.durable.later.Store(false)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	f := follower{s: s, conn: conn, write: write, version: -1, seen: -1, keepers: make(map[int64]*keeper), failed: cancel}
	defer f.group.Wait()
	defer cancel(nil)
	var q quiet
	var locked time.Time // since when, the zero time if it is not
	var l large
	pause := pollFirst
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			f.group.Wait()
			if cause := context.Cause(ctx); Ended(cause) {
				return fmt.Errorf("follow %s: %w", s.path, cause)
			}
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			return errors.Join(ctx.Err(), s.flush(last))
		case <-w.Events:
			if f.rollback {
				if rest := q.written(time.Now()); rest > 0 {
					timer.Reset(rest)
					continue
				}
			}
			if l.event(time.Now()) && !f.rollback {
				pause = largePause / 2
				timer.Reset(time.Until(l.looked.Add(largePause)))
				continue
			}
			pause = f.soon()
		case <-timer.C:
			if f.rollback && w.Events == nil && f.moved() && q.written(time.Now()) > 0 {
				timer.Reset(quietFor)
				continue
			}
			pause = min(pause*2, slowest)
		}
		q.looked()
		changed, err := f.look(ctx)
		l.look(time.Now(), changed)
		switch {
		case ctx.Err() != nil:
			continue
		case Ended(err):
			return fmt.Errorf("follow %s: %w", s.path, err)
		case sqlconn.Busy(err) && (locked.IsZero() || time.Since(locked) < lockedFor):
			if locked.IsZero() {
				locked = time.Now()
			}
			timer.Reset(pollFirst)
			continue
		case err != nil:
			if s.trouble("read what was written", err) {
				s.log.Error("cannot read what was written for now", "db", s.path, "err", s.explain(err))
			}
			pause = slowest
		case changed:
			pause = f.soon()
		}
		if err == nil {
			locked = time.Time{}
			s.trouble("read what was written", nil)
		}
		if pause < time.Millisecond {
			nap(pause)
			timer.Reset(0)
		} else {
			timer.Reset(pause)
		}
	}
}

// follower is what Follow has seen.
type follower struct {
	s          *Store
	conn       *sqlconn.Conn
	write      bool
	version    int64 // PRAGMA data_version
	generation int64
	hlc        int64
	cookie     int64 // PRAGMA schema_version
	pos        int64
	// rollback says that the journal is no write-ahead log, see quiet; seen is
	// the data_version that moved saw last.
	rollback bool
	seen     int64
	// keepers seal, by dataset. failed ends everything.
	keepers map[int64]*keeper
	group   sync.WaitGroup
	failed  context.CancelCauseFunc
}

// soon is the first pause after something has happened.
func (f *follower) soon() time.Duration {
	if f.rollback {
		return quietFor
	}
	return pollFirst
}

// moved reports whether the database was written to since it was asked last.
func (f *follower) moved() bool {
	if f.s.present() != nil {
		return false // look says so
	}
	version, err := f.conn.Int(`PRAGMA main.data_version`)
	was := f.seen
	f.seen = version
	return err == nil && version != was
}

// look does what is to be done since the last look, and reports whether the
// database had changed.
func (f *follower) look(ctx context.Context) (changed bool, err error) {
	if err := f.s.present(); err != nil {
		return false, err
	}
	// data_version is relative to a connection, so it is always the same one.
	version, err := f.conn.Int(`PRAGMA main.data_version`)
	if err != nil {
		return false, err
	}
	if version == f.version && !f.s.asideDue() {
		if !f.write {
			return false, nil
		}
		return false, f.s.flushStale(ctx)
	}
	var generation, pos, hlc int64
	var node []byte
	if err := f.conn.Query(func(row []any) error {
		generation, _ = row[0].(int64)
		pos, _ = row[1].(int64)
		node, _ = row[2].([]byte)
		hlc, _ = row[3].(int64)
		return nil
	}, `SELECT (SELECT generation FROM sqlsync_node), (SELECT sum(pos) FROM sqlsync_dataset), (SELECT key FROM sqlsync_node), (SELECT hlc FROM sqlsync_node)`); err != nil {
		return false, f.s.uninstalled(err)
	}
	if hlc < f.hlc {
		return false, ErrRestored
	}
	if !bytes.Equal(node, f.s.node[:]) {
		return false, ErrIdentity
	}
	cookie, err := f.conn.Int(`PRAGMA main.schema_version`)
	if err != nil {
		return false, err
	}
	if err := f.conn.Query(func(row []any) error {
		f.rollback = row[0] != "wal"
		return sqlconn.Stop
	}, `PRAGMA main.journal_mode`); err != nil {
		return false, err
	}
	reconfigured := generation != f.generation || cookie != f.cookie
	if reconfigured {
		f.conn.Forget()
	}
	datasets, err := f.pending()
	if err != nil {
		return false, err
	}
	if reconfigured {
		f.s.reconfigured.send()
	}
	if pos != f.pos {
		f.s.grown.send()
	}
	if f.write {
		f.settle(ctx, datasets, reconfigured)
	}
	f.version, f.generation, f.hlc, f.cookie, f.pos = version, generation, hlc, cookie, pos
	f.s.changed.send()
	return true, nil
}

// settle has the datasets sealed that have marks, and after the configuration
// has changed, what no longer waits merged.
func (f *follower) settle(ctx context.Context, datasets []enabled, reconfigured bool) {
	for _, d := range datasets {
		if !d.pending && !reconfigured {
			continue
		}
		k := f.keepers[d.id]
		if k == nil {
			k = &keeper{s: f.s, id: d.id, dataset: d.name, wake: make(chan struct{}, 1)}
			f.keepers[d.id] = k
			f.group.Go(func() {
				if err := k.run(ctx); err != nil {
					f.failed(err)
				}
			})
		}
		k.tell(d.pending, reconfigured)
	}
}

// enabled is a dataset that is, and whether it has marks.
type enabled struct {
	dataset
	pending bool
}

// pending lists the enabled datasets.
func (f *follower) pending() ([]enabled, error) {
	var list []enabled
	err := f.conn.Query(func(row []any) error {
		list = append(list, enabled{dataset: dataset{id: row[0].(int64), name: row[1].(string)}})
		return nil
	}, `SELECT id, name FROM sqlsync_dataset WHERE enabled`)
	for i := range list {
		if err == nil {
			var last int64
			last, err = f.conn.Int(`SELECT max(rowid) FROM ` + list[i].oplog())
			if list[i].pending = last != 0; list[i].pending {
				f.s.commits.note(list[i].id, last)
			}
		}
	}
	return list, err
}

// Changed returns a channel that gets a signal after Follow or Watchdog have
// seen that any process wrote to the database, and a function that ends it.
func (s *Store) Changed() (<-chan struct{}, func()) { return s.changed.subscribe() }

// Reconfigured returns a channel that gets a signal after tables, remotes or
// datasets were changed by any process, and a function that ends it.
func (s *Store) Reconfigured() (<-chan struct{}, func()) { return s.reconfigured.subscribe() }
