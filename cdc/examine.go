package cdc

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/migrations"
	"sqlsync/schema"
)

// Examination is what a database says of itself to one who only reads.
type Examination struct {
	PageSize, Pages       int64
	Encoding, JournalMode string
	// Version is that of sqlsync's tables, 0 where there are none. What follows
	// from them is read only where it is migrations.Latest.
	Version int64
	// IsNode says that the file is a node's: Node's, whose last timestamp is HLC.
	IsNode  bool
	Node    merge.NodeID
	HLC     merge.HLC
	Forks   []Fork
	Remotes []Remote
	// Passes says that there is a remote to take a dataset from and another to
	// give it to.
	Passes bool
	Tables []ExaminedTable
	// Blocked are the remotes that keep datasets from being pruned.
	Blocked []Blocked
	// Capture is what is wrong with the triggers of watched tables.
	Capture []Finding
	// Imports are snapshot files that were taken in part.
	Imports []Import
	// Listening is where a serve listens, or listened last.
	Listening []string
}

// ExaminedTable is a table, watched or not, with what may go wrong with it.
// Waiting and Refused may be set of watched tables, too.
type ExaminedTable struct {
	TableStatus
	// Virtual tables and their insides are refused because of what they are.
	Virtual bool
	// SharedIDs says that every node gives out this watched table's integer
	// ids; CanRange that ranges of them are possible.
	SharedIDs, CanRange bool
	// Function is one that a trigger calls, only the application has, and
	// nobody needs here.
	Function string

	id, dataset int64
	ids         string
}

// Watched counts the watched tables.
func (e *Examination) Watched() (n int) {
	for _, t := range e.Tables {
		if t.Watched {
			n++
		}
	}
	return n
}

// Examine reads all of that. It takes no write lock and makes nothing. The
// error is as Probe's, or ErrLocked where another program keeps readers out.
func Examine(ctx context.Context, path string) (*Examination, error) {
	e := &Examination{}
	err := inspect(ctx, path, func(db *sql.DB) error {
		for _, p := range []struct {
			pragma string
			to     any
		}{{"page_size", &e.PageSize}, {"page_count", &e.Pages}, {"encoding", &e.Encoding}, {"journal_mode", &e.JournalMode}} {
			if err := db.QueryRowContext(ctx, `PRAGMA main.`+p.pragma).Scan(p.to); err != nil {
				return err
			}
		}
		var err error
		if e.Version, err = migrations.Version(ctx, db); err != nil {
			return err
		}
		if e.Version == migrations.Latest {
			if err := e.readNode(ctx, db); err != nil {
				return err
			}
		}
		if err := e.judge(ctx, path, db); err != nil || !e.IsNode {
			return err
		}
		return e.checkCapture(ctx, db)
	})
	return e, err
}

func (e *Examination) readNode(ctx context.Context, db *sql.DB) error {
	var key []byte
	var listening sql.NullString
	err := db.QueryRowContext(ctx, `SELECT key, hlc, listening FROM sqlsync_node`).Scan(&key, &e.HLC, &listening)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	e.IsNode, e.Node = true, merge.NodeID(key)
	if e.Listening, err = decodeListening(listening); err != nil {
		return err
	}
	if e.Remotes, err = readRemotes(ctx, db); err != nil {
		return err
	}
	if e.Passes, err = readPasses(ctx, db); err != nil {
		return err
	}
	if e.Blocked, err = readBlocked(ctx, db, time.Now()); err != nil {
		return err
	}
	if e.Imports, err = readImports(ctx, db); err != nil {
		return err
	}
	if e.Forks, err = readForks(ctx, db); err != nil {
		return err
	}
	return e.readWatched(ctx, db)
}

func (e *Examination) readWatched(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `SELECT t.id, t.name, d.id, d.name, t.policy, coalesce(t.options, ''), t.key, coalesce((SELECT reason
		FROM sqlsync_disagreement WHERE table_id = t.id), '') FROM sqlsync_table t JOIN sqlsync_dataset d ON d.id = dataset_id WHERE watched ORDER BY t.id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var t ExaminedTable
		var policy, options, key string
		if err := rows.Scan(&t.id, &t.Name, &t.dataset, &t.Dataset, &policy, &options, &key, &t.Waiting); err != nil {
			return err
		}
		m, err := decodeMerging(policy, options)
		if err != nil {
			return fmt.Errorf("read table %s: %w", t.Name, err)
		}
		if t.Key, err = decodeKey(key); err != nil {
			return fmt.Errorf("read key of %s: %w", t.Name, err)
		}
		t.Watched, t.Policy, t.ids = true, policy, m.IDs
		e.Tables = append(e.Tables, t)
	}
	return rows.Err()
}

// judge gives every table its verdict.
func (e *Examination) judge(ctx context.Context, path string, db *sql.DB) error {
	names, err := schema.Names(ctx, db)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(e.Tables, func(t ExaminedTable) bool { return equalNames(t.Name, name) }) {
			e.Tables = append(e.Tables, ExaminedTable{TableStatus: TableStatus{Name: name}})
		}
	}
	list := make([]TableStatus, len(e.Tables))
	for i := range e.Tables {
		if err := e.Tables[i].judge(ctx, db); err != nil {
			return fmt.Errorf("table %s: %w", e.Tables[i].Name, err)
		}
		list[i] = e.Tables[i].TableStatus
		list[i].Watched = false // so that its triggers are judged, too
	}
	if !slices.ContainsFunc(list, func(st TableStatus) bool { return callsFunction(st.Refused) }) {
		return nil
	}
	if err := reconsider(ctx, path, list); err != nil {
		return err
	}
	for i := range list {
		if before := (*schema.Refusal)(nil); list[i].Refused == nil && errors.As(e.Tables[i].Refused, &before) {
			e.Tables[i].Function = before.Function
		}
		e.Tables[i].Refused = list[i].Refused
	}
	return nil
}

func (t *ExaminedTable) judge(ctx context.Context, db *sql.DB) error {
	def, err := schema.Load(ctx, db, t.Name)
	var missing *schema.NoTable
	var refusal *schema.Refusal
	if errors.As(err, &missing) || errors.As(err, &refusal) {
		t.Refused = err
		return nil
	}
	if err != nil {
		return err
	}
	t.Virtual = def.Virtual || def.Shadow
	err = t.TableStatus.judge(ctx, db, func(def *schema.Table, key schema.Key) error {
		t.SharedIDs = t.Watched && t.ids == "" && len(key) == 1 && key[0] == def.RowidAlias
		t.CanRange = def.Autoincrement()
		return schema.Check(ctx, db, def, key)
	})
	return err
}

// checkCapture compares the triggers that there are with those that watched
// tables are to have.
func (e *Examination) checkCapture(ctx context.Context, db *sql.DB) error {
	var wanted []wantedCapture
	for _, t := range e.Tables {
		if t.Watched {
			wanted = append(wanted, wantedCapture{id: t.id, dataset: t.dataset, table: t.Name, keyCols: t.Key})
		}
	}
	for i := range wanted {
		if err := wanted[i].build(ctx, db); err != nil {
			return fmt.Errorf("triggers of %s: %w", wanted[i].table, err)
		}
	}
	have, err := installedTriggers(ctx, db)
	e.Capture = compareTriggers(wanted, have)
	return err
}

// QuickCheck looks for damage for at most the time given, and says whether
// that was enough. It holds a read lock meanwhile.
func QuickCheck(ctx context.Context, path string, most time.Duration) (damage []string, whole bool, err error) {
	err = inspect(ctx, path, func(db *sql.DB) error {
		within, cancel := context.WithTimeout(ctx, most)
		defer cancel()
		damage, err = quickCheck(within, db)
		whole = within.Err() == nil
		if !whole && ctx.Err() == nil || len(damage) > 0 {
			return nil // what SQLite stumbled over is among the damage
		}
		return err
	})
	return damage, whole, err
}

// Damaged reports whether err says that the database file is damaged.
func Damaged(err error) bool { return sqlconn.Corrupt(err) }

func quickCheck(ctx context.Context, db *sql.DB) (damage []string, err error) {
	rows, err := db.QueryContext(ctx, `PRAGMA main.quick_check(10)`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return damage, err
		}
		if line != "ok" {
			damage = append(damage, line)
		}
	}
	return damage, rows.Err()
}
