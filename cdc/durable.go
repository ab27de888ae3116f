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
// the log itself before it tells.

// durable is whether what is committed is durable. The zero value is.
type durable struct {
	// mu is held while it is not.
	mu sync.RWMutex
	// not says that the log could not be synced.
	not bool
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
	if d.not {
		return errNotDurable
	}
	return nil
}

// waitElsewhere is wait for a process that does not follow, of what others have
// committed. Nobody locks the log's own file, so it may be opened, unlike the
// database: see package filewatch.
func (s *Store) waitElsewhere() error {
	if s.durable.later.Load() || s.shared.not {
		return nil
	}
	path, err := filepath.EvalSymlinks(s.path) // beside which the log is
	if err != nil {
		return err
	}
	log, err := os.OpenFile(path+"-wal", os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) { // who may not write has nothing to tell peers
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(log.Sync(), log.Close())
}

// beforeBegin prepares the writer's next commit, which the sync is a part of, or
// comes after.
func (s *Store) beforeBegin(later bool) error {
	level := 2
	if later {
		level = 1
	}
	if s.durable.level != level {
		if _, err := s.w.Exec(fmt.Sprintf(`PRAGMA main.synchronous = %d`, level)); err != nil {
			return err
		}
		s.durable.level = level
	}
	if !s.durable.not {
		return nil
	}
	s.durable.mu.Lock()
	defer s.durable.mu.Unlock()
	return s.sync()
}

// commitThenSync commits with a write-ahead log; others may write before the
// commit is durable.
func (s *Store) commitThenSync(t *tx) error {
	s.durable.mu.Lock()
	defer s.durable.mu.Unlock()
	if _, err := s.w.Exec(`COMMIT`); err != nil {
		return err
	}
	t.writes()
	t.had = time.Since(t.locked)
	s.noteReaders()
	return s.sync()
}

// sync syncs the log; mu is held.
func (s *Store) sync() error {
	err := s.w.SyncLog()
	s.durable.not = err != nil
	return err
}
