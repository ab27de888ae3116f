package mesh

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// Beside names a file of ours Beside a database: Beside the file itself, by
// whatever symbolic link it was named.
func Beside(db, suffix string) string {
	if real, err := filepath.EvalSymlinks(db); err == nil {
		db = real
	}
	return db + suffix
}

// KeyPath is where the identity of a database is kept, LockPath the lock of
// whoever serves it.
func KeyPath(db string) string { return Beside(db, "-sqlsync.key") }

// LockPath is the lock of whoever serves a database.
func LockPath(db string) string { return Beside(db, "-sqlsync.lock") }

// DatasetKeysPath is where the keys of private datasets are kept.
func DatasetKeysPath(db string) string { return Beside(db, "-sqlsync.datasets") }

// WitnessPath is what knows a database as it was last.
func WitnessPath(db string) string { return Beside(db, "-sqlsync.witness") }

// lock says that a database is being served. It is two: one by the name of the
// file, one by the file itself, because a hard link gives it another name. The
// second is in the folder for temporary files; where there is none, the first
// has to do, unless there is such a link.
type lock []*flock.Flock

// ErrServed says that somebody serves the database: a sqlsync serve, or a
// Member.
var ErrServed = errors.New("the database is already being served")

func takeLock(db string) (l lock, err error) {
	inode, linked := inodeLockPath(db)
	for i, path := range []string{LockPath(db), inode} {
		if path == "" {
			continue
		}
		f, err := tryLock(path)
		if err != nil && i == 1 && !linked && !errors.Is(err, ErrServed) {
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

const (
	// lockPatience is for whoever has a lock and is just ending: its file may be
	// gone by then, and another one have its inode.
	lockPatience = time.Second
	// lockAgain is the longest pause until a lock is looked at again.
	lockAgain = 10 * time.Millisecond
	// probePatience is for those that only look whether there is one. It is
	// theirs for a moment, which a busy machine can make long.
	probePatience = 10 * time.Second
)

func tryLock(path string) (*flock.Flock, error) {
	var taken time.Time // seen in somebody's hands
	for begun := time.Now(); ; time.Sleep(time.Millisecond + rand.N(lockAgain)) {
		f := newLock(path)
		ok, err := f.TryLock()
		if err != nil {
			return nil, err
		}
		now := time.Now()
		if !ok {
			switch held, err := inHands(path); {
			case err != nil:
				return nil, err
			case !held:
				taken = time.Time{}
			case taken.IsZero():
				taken = now
			}
			if !taken.IsZero() && now.Sub(taken) >= lockPatience || now.Sub(begun) >= probePatience {
				return nil, ErrServed
			}
			continue
		}
		// Whoever had it may have removed the file that we have locked.
		have, err := f.Stat()
		if file, serr := os.Stat(path); err == nil && serr == nil && os.SameFile(have, file) {
			return f, nil
		}
		f.Unlock()
	}
}

// inHands reports whether somebody has a lock, and does not only look.
func inHands(path string) (bool, error) {
	f := newLock(path)
	ok, err := f.TryRLock()
	f.Unlock()
	return !ok, err
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

// servedStill reports whether a serve is running that is not just ending.
func servedStill(db string) bool {
	for begun := time.Now(); Served(db); time.Sleep(lockAgain) {
		if time.Since(begun) >= lockPatience {
			return true
		}
	}
	return false
}

// Served reports whether a serve is running on a database, by this name or
// another.
func Served(db string) bool {
	inode, _ := inodeLockPath(db)
	for _, path := range []string{LockPath(db), inode} {
		if _, err := os.Stat(path); path == "" || err != nil {
			continue
		}
		if held, err := inHands(path); err == nil && held {
			return true
		}
	}
	return false
}
