package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// beside names a file of ours beside a database: beside the file itself, by
// whatever symbolic link it was named.
func beside(db, suffix string) string {
	if real, err := filepath.EvalSymlinks(db); err == nil {
		db = real
	}
	return db + suffix
}

// keyPath is where the identity of a database is kept, lockPath the lock of
// whoever serves it, witnessPath what knows the database as it was last.
func keyPath(db string) string  { return beside(db, "-sqlsync.key") }
func lockPath(db string) string { return beside(db, "-sqlsync.lock") }

func witnessPath(db string) string { return beside(db, "-sqlsync.witness") }

// lock says that a database is being served. It is two: one by the name of the
// file, one by the file itself, because a hard link gives it another name. The
// second is in the folder for temporary files; where there is none, the first
// has to do, unless there is such a link.
type lock []*flock.Flock

var errServed = errors.New("is already being served")

func takeLock(db string) (l lock, err error) {
	inode, linked := inodeLockPath(db)
	for i, path := range []string{lockPath(db), inode} {
		if path == "" {
			continue
		}
		f, err := tryLock(path)
		if err != nil && i == 1 && !linked && !errors.Is(err, errServed) {
			continue
		}
		if err != nil {
			l.release()
			return nil, err
		}
		l = append(l, f)
	}
	return l, nil
}

func explainLock(db string, err error) error {
	if errors.Is(err, errServed) {
		return hint(fmt.Errorf("%s %w", db, err), "stop the other sqlsync serve first")
	}
	return explain(db, fmt.Errorf("lock %s: %w", db, err))
}

// lockPatience is for somebody who only looks whether a lock is taken.
const lockPatience = 100 * time.Millisecond

func tryLock(path string) (*flock.Flock, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	for {
		f := newLock(path)
		ok, err := f.TryLockContext(ctx, lockPatience/10)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return nil, errServed
		case err != nil:
			return nil, err
		}
		// Whoever had it may have removed the file that we have locked.
		have, err := f.Stat()
		if now, serr := os.Stat(path); ok && err == nil && serr == nil && os.SameFile(have, now) {
			return f, nil
		}
		f.Unlock()
	}
}

// newLock does not create a file that is there: some systems refuse that for
// another user's file in the folder for temporary files.
func newLock(path string) *flock.Flock {
	flags := os.O_RDONLY
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		flags |= os.O_CREATE
	}
	return flock.New(path, flock.SetFlag(flags), flock.SetPermissions(0o644))
}

// release gives the locks up. That in the folder for temporary files leaves
// no trace.
func (l lock) release() {
	for i, f := range l {
		if i > 0 {
			os.Remove(f.Path())
		}
		f.Unlock()
	}
}

// served reports whether a serve is running on a database, by this name or
// another.
func served(db string) bool {
	inode, _ := inodeLockPath(db)
	for _, path := range []string{lockPath(db), inode} {
		if _, err := os.Stat(path); path == "" || err != nil {
			continue
		}
		f := newLock(path)
		ok, err := f.TryRLock()
		f.Unlock()
		if err == nil && !ok {
			return true
		}
	}
	return false
}
