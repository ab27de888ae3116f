package cdc

import (
	"context"
	"database/sql/driver"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"sqlsync/cdc/internal/sqlconn"
)

// A database file that is replaced or removed lives on without a name for
// those who have it open, and for them alone. SQLite goes on using the names
// of the journal and the write-ahead log, which belong to the new file by
// then: to recover, to commit or to close could destroy that one
// (https://www.sqlite.org/howtocorrupt.html §4.4). So whatever touches the file
// asks first whether it is still there.

// Conditions that end a store for good.
var (
	ErrReplaced    = errors.New("database was replaced by another file, or removed")
	ErrUninstalled = errors.New("sqlsync's tables are gone from the database")
)

// Ended reports whether err says that a store cannot be used any more.
func Ended(err error) bool {
	return errors.Is(err, ErrReplaced) || errors.Is(err, ErrUninstalled) || errors.Is(err, ErrRestored) || errors.Is(err, ErrIdentity)
}

// rememberFile notes which file is open, and once it is noted it is looked for.
func (s *Store) rememberFile() error {
	fi, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	os.SameFile(fi, fi) // on Windows the identity is read at the first comparison
	s.file = fi
	return nil
}

// present returns ErrReplaced, from then on always, when the path no longer
// names the file that is open. It opens nothing: a second descriptor, once
// closed, would drop SQLite's locks.
func (s *Store) present() error {
	if s.file == nil {
		return nil
	}
	if s.gone.Load() {
		return ErrReplaced
	}
	fi, err := os.Stat(s.path)
	switch {
	case err == nil && os.SameFile(fi, s.file):
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
		return nil // who cannot look does not know
	}
	s.gone.Store(true)
	return ErrReplaced
}

// uninstalled returns ErrUninstalled where a query failed because nothing of
// ours is in the database any more, else the query's error. A file that has
// nothing at all is being copied over.
func (s *Store) uninstalled(err error) error {
	var n, ours int
	if !sqlconn.Busy(err) && s.db.QueryRow(`SELECT count(*), coalesce(sum(name = 'sqlsync_node'), 0) FROM main.sqlite_master`).Scan(&n, &ours) == nil && n > 0 && ours == 0 {
		return ErrUninstalled
	}
	return err
}

// guarded opens connections to the file that is open already, and to no other.
type guarded struct {
	driver.Connector
	s *Store
}

func (g guarded) Connect(ctx context.Context) (driver.Conn, error) {
	if err := g.s.present(); err != nil {
		return nil, err
	}
	return g.Connector.Connect(ctx)
}
