package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
	"sqlsync/migrations"
	"sqlsync/replicate/mesh"
	"sqlsync/schema"
)

// checkFile reports whether there is a file to go on with.
func (d *doctor) checkFile() bool {
	fi, err := os.Stat(d.path)
	switch {
	case err != nil:
		d.failErr("file", err)
		return false
	case !fi.Mode().IsRegular():
		d.failErr("file", cdc.ErrNotDatabase)
		return false
	case fi.Mode().Perm()&0o222 == 0 || !mayWrite(d.path):
		d.failErr("file", cdc.ErrReadOnly)
	default:
		d.ok("file", "%s, %s, can be read and written", d.path, size(fi.Size()))
	}
	return true
}

// folder is where SQLite puts the journal: beside the file itself, not beside
// a link to it.
func (d *doctor) folder() string {
	path := d.path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return filepath.Dir(path)
}

func (d *doctor) checkFolder() {
	fi, err := os.Stat(d.folder())
	switch {
	case err != nil:
		d.fail("folder", "check the folder's owner and permissions", "%v", err)
	case runtime.GOOS != "windows" && fi.Mode().Perm()&0o222 == 0 || !mayWrite(d.folder()):
		d.fail("folder", "allow writing to the folder: SQLite keeps the journal there, sqlsync its key and lock",
			"%s cannot be written to", d.folder())
	default:
		d.ok("folder", "%s can be written to", d.folder())
	}
}

// checkBeside looks at the files that SQLite and sqlsync keep beside the
// database: one that another user left behind makes the database read-only.
func (d *doctor) checkBeside() {
	for _, suffix := range []string{"-wal", "-shm", "-journal", "-sqlsync.lock"} {
		path := mesh.Beside(d.path, suffix)
		fi, err := os.Stat(path)
		if err != nil {
			continue
		}
		if fi.Mode().Perm()&0o222 == 0 || !mayWrite(path) {
			d.fail("file "+filepath.Base(path), "give it to the user that has the database: application and sqlsync run as one user, or as one group that may write",
				"%s cannot be written to", path)
		}
	}
}

// walLarge is far more than the 4 MB at which SQLite begins to reset the
// write-ahead log.
const walLarge = 64 << 20

func (d *doctor) checkWAL() {
	fi, err := os.Stat(mesh.Beside(d.path, "-wal"))
	switch {
	case err != nil || d.ex.JournalMode != "wal":
	case fi.Size() > walLarge:
		d.warn("log size", "end transactions that stay open, of any program: they keep SQLite from resetting the write-ahead log; then PRAGMA wal_checkpoint(TRUNCATE) makes it small",
			"the write-ahead log has %s", size(fi.Size()))
	default:
		d.ok("log size", "the write-ahead log has %s", size(fi.Size()))
	}
}

// Below these a write may soon fail, or does.
const (
	spaceLow  = 100 << 20
	spaceNone = 1 << 20
)

func (d *doctor) checkSystem() {
	st := statFS(d.folder())
	if st.network != "" {
		d.warn("file system", "keep the database on a local disk: SQLite's locks and the write-ahead log are not reliable over a network",
			"%s is on %s", d.folder(), st.network)
	} else if st.known {
		d.ok("file system", "no network file system that SQLite is known to have trouble with")
	}
	switch {
	case !st.known:
	case st.free < spaceNone:
		d.fail("space", "free some space on the disk", "%s are free", size(st.free))
	case st.free < spaceLow:
		d.warn("space", "free some space on the disk: the history grows with every write", "%s are free", size(st.free))
	default:
		d.ok("space", "%s are free", size(st.free))
	}
	d.checkNotification()
}

func (d *doctor) checkNotification() {
	const polls = "writes are noticed by polling"
	if runtime.GOOS != "linux" && runtime.GOOS != "windows" {
		d.ok("notification", "%s, every 20 ms", polls)
		return
	}
	w, err := fsnotify.NewWatcher()
	if err == nil {
		err = errors.Join(w.Add(d.folder()), w.Close())
	}
	if err != nil {
		d.warn("notification", "raise fs.inotify.max_user_instances and fs.inotify.max_user_watches with sysctl", "%s: %v", polls, err)
		return
	}
	d.ok("notification", "writes are noticed by file notification%s", notifyLimits())
}

// examine reads the database, and reports whether there is more to be said.
func (d *doctor) examine() bool {
	ex, err := cdc.Examine(d.ctx, d.path)
	if err != nil {
		d.failDatabase(err)
		return false
	}
	d.ex = ex
	return true
}

const damageRemedy = "put it back from a backup, or use the recover command of the sqlite3 program"

func (d *doctor) failDatabase(err error) {
	if cdc.Damaged(err) {
		d.fail("database", damageRemedy, "SQLite finds damage: %v", err)
		return
	}
	d.failErr("database", err)
}

// How long quick_check may run: with a rollback journal, the application's
// commits wait for readers.
const (
	quickWAL      = 5 * time.Second
	quickRollback = 250 * time.Millisecond
)

func (d *doctor) checkIntegrity() {
	most := quickRollback
	if d.ex.JournalMode == "wal" {
		most = quickWAL
	}
	damage, whole, err := cdc.QuickCheck(d.ctx, d.path, most)
	switch {
	case len(damage) > 0:
		d.fail("database", damageRemedy, "SQLite finds damage: %s", strings.Join(damage, "; "))
	case err != nil && schema.Lacks(err):
		d.ok("database", "not checked for damage: its schema needs what only the application has")
	case err != nil:
		d.failDatabase(err)
	case !whole:
		d.ok("database", "no damage found in %v; PRAGMA integrity_check looks at all of it", most)
	default:
		d.ok("database", "SQLite finds no damage")
	}
}

func (d *doctor) checkFormat() {
	switch mode := d.ex.JournalMode; mode {
	case "wal":
		d.ok("journal", "write-ahead log: readers and the writer do not wait for each other")
	default:
		d.ok("journal", "%s: readers and the writer wait for each other; sqlsync leaves it so", mode)
	}
	note := ""
	if d.ex.Encoding != "UTF-8" {
		note = ", which peers with UTF-8 get as the same text"
	}
	d.ok("format", "%s of %d bytes, %s%s", plural.Of(d.ex.Pages, "page"), d.ex.PageSize, d.ex.Encoding, note)
}

// checkVersion reports whether sqlsync's tables, if there are any, can be read.
func (d *doctor) checkVersion() bool {
	switch v := d.ex.Version; {
	case v == 0:
		d.ok("tables of sqlsync", "none yet: sqlsync watch makes them")
	case v > migrations.Latest:
		d.failErr("tables of sqlsync", fmt.Errorf("%w (its tables have version %d, this program knows %d)", migrations.ErrNewer, v, migrations.Latest))
	case v < migrations.Latest:
		d.warn("tables of sqlsync", "run sqlsync status, which upgrades them; older versions of sqlsync then refuse the file",
			"version %d, this program has %d", v, migrations.Latest)
	default:
		d.ok("tables of sqlsync", "version %d, as this program has it", v)
	}
	return d.ex.Version == 0 || d.ex.Version == migrations.Latest
}

func size(n int64) string {
	for _, u := range []struct {
		name string
		n    int64
	}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}} {
		if n >= u.n {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.n), u.name)
		}
	}
	return plural.Of(n, "byte")
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
