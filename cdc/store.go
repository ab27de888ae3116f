package cdc

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
	"modernc.org/sqlite"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/migrations"
	"sqlsync/wire"
)

// Options say which file to open and as whom.
type Options struct {
	// Path is the database file. It must exist.
	Path string
	// Node is this node's public key, Sign its signature and Verify the check
	// of another's. All three are required.
	Node   merge.NodeID
	Sign   func(wire.Hash) []byte
	Verify func(origin merge.NodeID, h wire.Hash, signature []byte) bool
	// Former are the keys that this node had before, the latest first. A
	// database that is of one of them was put back from before the rotation.
	Former []merge.NodeID
	// Author makes the author that a salt stands for, see Store.Author. Without
	// it a file that was put back is ErrRolledBack.
	Author func(salt []byte) Author
	// DatasetKeys returns the keys of a private dataset, from the oldest to the one
	// that is used now, none where they are not here; nil for none. It is asked
	// whenever a key is needed.
	DatasetKeys func(dataset string) ([]wire.DatasetKey, error)
	// Witness is where the witness is kept, see there; empty for none.
	Witness string
	// Now is the physical clock, time.Now if nil. With one that is given the
	// lock is not had in slices, which are of real time.
	Now func() time.Time
	// MaxDrift is how far ahead of Now a batch's changes may be; those further
	// ahead are not applied until it is time. 0 is DefaultMaxDrift.
	MaxDrift time.Duration
	// Log receives what no caller is there to be told, nothing if nil.
	Log *slog.Logger
	// LockWait is how long a transaction waits for other programs' locks
	// before it fails with ErrLocked; 0 waits until its context ends.
	LockWait time.Duration
	// Observe, if not nil, is told what was sealed and applied, after the
	// commit. It must return at once and not use the store.
	Observe func(Work)
}

// DefaultMaxDrift is how far ahead another node's clock may be.
const DefaultMaxDrift = 5 * time.Minute

// Conditions that callers tell apart. Each is wrapped with the file's name.
var (
	ErrNotDatabase = errors.New("not a SQLite database")
	ErrReadOnly    = errors.New("database is read-only")
	ErrFull        = errors.New("disk is full")
	ErrLocked      = errors.New("database is locked by another program")
	ErrIdentity    = errors.New("database and key file belong to different nodes")
)

// Store is one database file. It is safe for concurrent use.
type Store struct {
	path     string
	node     merge.NodeID
	sign     func(wire.Hash) []byte
	verify   func(merge.NodeID, wire.Hash, []byte) bool
	now      func() time.Time
	log      *slog.Logger
	lockWait time.Duration
	observer func(Work)
	maxDrift time.Duration

	keysOf      func(dataset string) ([]wire.DatasetKey, error)
	former      []merge.NodeID
	makeAuthor  func(salt []byte) Author
	author      atomic.Pointer[author] // as of the last transaction
	witnessPath string
	witness     *os.File // nil if there is none; mu is held
	// lastHLC is the database's last timestamp as of the last transaction, testified
	// what the witness was told; mu is held.
	lastHLC, testified merge.HLC

	pool *sql.DB  // of the writer, one connection
	db   *sqlx.DB // for reading; it cannot write

	turns turns // had for the length of a transaction of w
	w     *sqlconn.Conn
	cfg   *config // as of the last transaction, nil if unknown
	// stubs are the functions that w has by name only, sorted.
	stubs  []string
	shared shared
	// durable says whether what is committed is.
	durable durable
	// checkpoints are those under way, one at most.
	checkpoints   sync.WaitGroup
	checkpointing atomic.Bool
	ranks         atomic.Pointer[map[string]rank]
	paces         paces

	grown        broadcast // a batch came to be held
	changed      broadcast // something was written
	reconfigured broadcast // tables, remotes or datasets were changed
	watermarks   watermarks
	commits      commits
	tail         tail
	mended       atomic.Bool // some violations were, and mend is to look at the others
	ends         ends
	heard        heard

	// asides are the tables that cannot be sealed, by id, for whoever has the writer. cookie is
	// of the schema as of the last transaction, asideUntil is when to try the
	// last of them again, 0 for never.
	asides     map[int64]aside
	cookie     int64
	asideUntil atomic.Int64

	prepared prepared
	remotes  remoteList
	totals   totals
	troubles troubles

	file os.FileInfo // what is open, see present
	gone atomic.Bool // it is no longer at path

	peersMu sync.Mutex
	peers   map[merge.NodeID]PeerState // as noted last
}

// Open opens a database file, creates or upgrades sqlsync's tables in it and
// takes it as the node's. The user's own tables and settings stay as they are.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{
		path: o.Path, node: o.Node, sign: o.Sign, verify: o.Verify,
		now: o.Now, log: o.Log, lockWait: o.LockWait, maxDrift: o.MaxDrift, observer: o.Observe,
		former: o.Former, makeAuthor: o.Author, witnessPath: o.Witness, keysOf: o.DatasetKeys,
	}
	s.author.Store(s.authorOf(nil))
	if s.maxDrift == 0 {
		s.maxDrift = DefaultMaxDrift
	}
	if s.shared.not = s.now != nil; s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("open %s: %w", o.Path, s.explain(err))
	}
	return s, nil
}

// readWithin is for how long what only reads waits for the application's lock.
const readWithin = 5 * time.Second

func (s *Store) open(ctx context.Context) (err error) {
	if fi, err := os.Stat(s.path); err != nil {
		return err
	} else if !fi.Mode().IsRegular() {
		return ErrNotDatabase
	}
	if s.pool, err = s.writerPool(nil); err != nil {
		return err
	}
	reader, err := sqlite.NewConnector(sqlconn.DSN(s.path, "mode=rw", "_pragma=query_only(1)", fmt.Sprintf("_pragma=busy_timeout(%d)", readWithin.Milliseconds())))
	if err != nil {
		return err
	}
	s.db = sqlx.NewDb(sql.OpenDB(guarded{reader, s}), "sqlite")
	s.db.SetMaxOpenConns(4)
	if err := s.retry(ctx, func() error { return migrations.Up(ctx, s.pool) }); err != nil {
		return err
	}
	if s.w, err = sqlconn.Open(ctx, s.pool); err != nil {
		return err
	}
	if ro, err := s.w.ReadOnly(); err != nil || ro {
		return errors.Join(err, ErrReadOnly)
	}
	if err := s.rememberFile(); err != nil {
		return err
	}
	if err := s.identify(ctx); err != nil {
		return err
	}
	if err := s.loadAuthor(ctx); err != nil {
		return err
	}
	return s.attest(ctx)
}

// writerPool is the writer's, with the functions that it has by name only.
func (s *Store) writerPool(stubs []string) (*sql.DB, error) {
	// foreign_keys and ignore_check_constraints are settings of a connection:
	// what is merged was checked where it was written.
	pool, err := sqlconn.OpenDB(sqlconn.DSN(s.path, "mode=rw", "_txlock=immediate",
		"_pragma=foreign_keys(0)", "_pragma=ignore_check_constraints(1)", "_pragma=recursive_triggers(0)",
		"_pragma=synchronous(2)", "_pragma=cache_size(-8000)"), stubs)
	if err == nil {
		pool.SetMaxOpenConns(1)
	}
	return pool, err
}

// openWriter replaces the writer by one with other stubs. The caller has
// the writer and there is no transaction.
func (s *Store) openWriter(ctx context.Context, stubs []string) error {
	pool, err := s.writerPool(stubs)
	if err != nil {
		return err
	}
	w, err := sqlconn.Open(ctx, pool)
	if err != nil {
		pool.Close()
		return err
	}
	err = errors.Join(s.w.Close(), s.pool.Close())
	s.w, s.pool, s.stubs, s.cfg = w, pool, stubs, nil
	s.durable.level = 0
	return err
}

// Close waits for a running transaction and closes the file. If that is no
// longer at its path, it is left to the end of the process: the last of its
// connections to be closed would write a checkpoint and remove PATH-wal.
func (s *Store) Close() error {
	s.turns.take(context.Background(), ahead) // which never ends
	defer s.turns.pass()
	if s.present() != nil {
		return nil
	}
	s.durable.wait() // a sync, and a checkpoint, may be under way
	s.checkpoints.Wait()
	var errs []error
	if s.w != nil {
		errs = append(errs, s.w.Close())
		s.w = nil
	}
	if s.witness != nil {
		errs = append(errs, s.witness.Close())
		s.witness = nil
	}
	if s.pool != nil {
		errs = append(errs, s.pool.Close())
	}
	s.prepared.close()
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}

// Path returns the file's path as it was given.
func (s *Store) Path() string { return s.path }

// Node returns the node that the file is.
func (s *Store) Node() merge.NodeID { return s.node }

// identify takes a new file as this node's, or checks that it is.
func (s *Store) identify(ctx context.Context) error {
	var key []byte
	err := s.db.QueryRowxContext(ctx, `SELECT key FROM sqlsync_node`).Scan(&key)
	switch {
	case err == nil && merge.NodeID(key) == s.node:
		return nil
	case err == nil && slices.Contains(s.former, merge.NodeID(key)):
		return s.write(ctx, s.succeedSelf)
	case err == nil:
		return ErrIdentity
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	return s.write(ctx, func(tx *tx) error {
		if n, err := tx.Int(`SELECT count(*) FROM sqlsync_node`); err != nil || n > 0 {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO sqlsync_node (id, key, hlc, generation, created) VALUES (1, ?, 0, 1, ?)`,
			s.node[:], tx.now.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO sqlsync_origin (id, key) VALUES (1, ?)`, s.node[:]); err != nil {
			return err
		}
		_, err := tx.addDataset(DefaultDataset)
		return err
	})
}

// explain replaces the driver's error by ours where callers tell them apart.
func (s *Store) explain(err error) error {
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return err
	case sqlconn.NotADatabase(err):
		return ErrNotDatabase
	case sqlconn.ReadOnly(err), sqlconn.CannotOpen(err): // of an existing file: its journal
		return ErrReadOnly
	case sqlconn.Full(err):
		return ErrFull
	case sqlconn.Busy(err):
		return ErrLocked
	}
	return err
}
