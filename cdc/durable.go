package cdc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// A batch is durable before a peer hears of it. With a write-ahead log to make
// it so takes longer than everything else in a transaction, so it is done when
// the commit has given the lock back: synchronous = NORMAL, and then the log is
// synced. In between others see the commit; whoever reads in this process, to
// tell a peer, waits. Only a process that follows the application does so, which
// commits often. Another one of ours that runs beside it, such as a sync, syncs
// the log itself before it tells. Where another transaction follows at once, that
// one works while the log is synced.

// durable is whether what is committed is durable. The zero value is.
type durable struct {
	// mu is held while it is not.
	mu sync.RWMutex
	// not says that the log could not be synced.
	not atomic.Bool
	// placed says that the log's file was synced by its connection, which also
	// sees to the folder where it is.
	placed bool
	// alone says that it could not be synced beside that connection, which does so
	// from then on.
	alone bool
	// later says that the log is synced after the commit.
	later atomic.Bool
	// level is the PRAGMA synchronous of the writer, 0 if unknown.
	level int
}

// errNotDurable says that the disk does not take what is committed.
var errNotDurable = errors.New("what was committed last could not be synced to the disk")

// wait returns when everything is durable that was committed before the call.
func (d *durable) wait() error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.not.Load() {
		return errNotDurable
	}
	return nil
}

// waitElsewhere is wait for a process that does not follow, of what others have
// committed.
func (s *Store) waitElsewhere() error {
	if s.durable.later.Load() || s.shared.not {
		return nil
	}
	err := s.syncFile()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) { // who may not write has nothing to tell peers
		return nil
	}
	return err
}

// syncFile syncs the log beside what its connection does. Nobody locks the log's
// own file, so it may be opened, unlike the database: see package filewatch.
func (s *Store) syncFile() error {
	path, err := filepath.EvalSymlinks(s.path) // beside which the log is
	if err != nil {
		return err
	}
	log, err := os.OpenFile(path+"-wal", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(log.Sync(), log.Close())
}

// beforeBegin prepares the writer's next commit, which the sync is a part of, or
// comes after.
func (s *Store) beforeBegin(later bool) error {
	level, pages := 2, logPages
	if later {
		level, pages = 1, 0 // see checkpoint
	}
	if s.durable.level != level {
		for _, pragma := range []string{fmt.Sprintf(`PRAGMA main.synchronous = %d`, level), fmt.Sprintf(`PRAGMA wal_autocheckpoint = %d`, pages)} {
			if _, err := s.w.Exec(pragma); err != nil {
				return err
			}
		}
		s.durable.level = level
	}
	if !s.durable.not.Load() {
		return nil
	}
	s.durable.mu.Lock()
	defer s.durable.mu.Unlock()
	return s.sync()
}

// commitThenSync commits with a write-ahead log; others may write before the
// commit is durable. Of a transaction that another one follows it does not wait
// until it is, unless another program writes: that is told to nobody before.
func (s *Store) commitThenSync(t *tx) error {
	d := &s.durable
	d.mu.Lock()
	if _, err := s.w.Exec(`COMMIT`); err != nil {
		d.mu.Unlock()
		return err
	}
	t.writes()
	freed := time.Now()
	t.had = freed.Sub(t.locked)
	s.tail.add(t.held)
	if t.work.grown { // who looks waits for mu, and is on its way meanwhile
		s.grown.send()
		t.work.told = true
	}
	s.noteReaders()
	if s.shared.writing { // it has the lock for itself during the sync, too
		defer d.mu.Unlock()
		return s.sync()
	}
	s.shared.freed = freed
	if t.followed && d.placed && !d.alone {
		go func() {
			defer d.mu.Unlock()
			d.alone = s.syncFile() != nil
			d.not.Store(d.alone)
		}()
		return nil
	}
	defer d.mu.Unlock()
	return s.sync()
}

// sync syncs the log; mu is held.
func (s *Store) sync() error {
	synced, err := s.w.SyncLog()
	s.durable.not.Store(err != nil)
	s.durable.placed = s.durable.placed || synced
	return err
}
