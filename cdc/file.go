package cdc

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/migrations"
	"sqlsync/schema"
)

// AppDSN is the data source name by which an ordinary application would open a
// database: SQLite's defaults, and the file must exist.
func AppDSN(path string) string { return sqlconn.DSN(path, "mode=rw", "_pragma=busy_timeout(5000)") }

// inspect runs fn on a connection that cannot write.
func inspect(ctx context.Context, path string, fn func(*sql.DB) error) error {
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return ErrNotDatabase
	}
	db, err := sql.Open("sqlite", sqlconn.DSN(path, "mode=rw", "_pragma=query_only(1)", "_pragma=busy_timeout(5000)"))
	if err != nil {
		return err
	}
	defer db.Close()
	return (&Store{}).explain(fn(db))
}

// Probe checks that a file is a database that can be read and written, without
// changing it.
func Probe(ctx context.Context, path string) error {
	return inspect(ctx, path, func(db *sql.DB) error {
		var n int
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&n); err != nil {
			return err
		}
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm()&0o222 == 0 {
			return errors.Join(ErrReadOnly, err)
		}
		return writable(ctx, db)
	})
}

// writable returns ErrReadOnly for a file that SQLite has opened for reading
// only, which it does without a word. A transaction would begin all the same,
// and end well if it happened to write nothing.
func writable(ctx context.Context, db *sql.DB) error {
	c, err := sqlconn.Open(ctx, db)
	if err != nil {
		return err
	}
	defer c.Close()
	if ro, err := c.ReadOnly(); err != nil || !ro {
		return err
	}
	return ErrReadOnly
}

// IsNode reports whether a database has been a node.
func IsNode(ctx context.Context, path string) (is bool, err error) {
	err = inspect(ctx, path, func(db *sql.DB) error {
		v, err := migrations.Version(ctx, db)
		if err != nil || v == 0 {
			return err
		}
		return db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM sqlsync_node)`).Scan(&is)
	})
	return is, err
}

// KeyOf returns the node that a database is, zero if it is none.
func KeyOf(ctx context.Context, path string) (node merge.NodeID, err error) {
	err = inspect(ctx, path, func(db *sql.DB) error {
		v, err := migrations.Version(ctx, db)
		if err != nil || v == 0 {
			return err
		}
		var key []byte
		if err = db.QueryRowContext(ctx, `SELECT key FROM sqlsync_node`).Scan(&key); errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		copy(node[:], key)
		return err
	})
	return node, err
}

// CountTables counts the application's tables in a file.
func CountTables(ctx context.Context, path string) (n int, err error) {
	err = inspect(ctx, path, func(db *sql.DB) error {
		names, err := schema.Names(ctx, db)
		n = len(names)
		return err
	})
	return n, err
}

// Outline describes the application's tables.
func Outline(ctx context.Context, path string) (tables []*schema.Table, err error) {
	err = inspect(ctx, path, func(db *sql.DB) error {
		names, err := schema.Names(ctx, db)
		if err != nil {
			return err
		}
		for _, name := range names {
			t, err := schema.Load(ctx, db, name)
			if err != nil {
				return fmt.Errorf("table %s: %w", name, err)
			}
			tables = append(tables, t)
		}
		return nil
	})
	return tables, err
}

// CreateFile makes an empty database where there is no file.
func CreateFile(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	return f.Close() // SQLite takes an empty file for an empty database
}

// IsFull reports whether err says that there is no room for more.
func IsFull(err error) bool { return sqlconn.Full(err) }

// Uninstall removes everything of sqlsync's from a database, in one
// transaction. It needs no identity and nothing of ours to be intact. The
// application's schema text and data are then as they were. found reports
// whether there was anything.
func Uninstall(ctx context.Context, path string) (found bool, err error) {
	if err := Probe(ctx, path); err != nil {
		return false, err
	}
	db, err := sql.Open("sqlite", sqlconn.DSN(path, "mode=rw", "_txlock=immediate", "_pragma=busy_timeout(10000)", "_pragma=foreign_keys(0)"))
	if err != nil {
		return false, err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, (&Store{}).explain(err)
	}
	defer tx.Rollback()
	for _, kind := range []string{"trigger", "view", "table"} {
		names, err := ownObjects(ctx, tx, kind)
		if err != nil {
			return false, err
		}
		found = found || len(names) > 0
		for _, name := range names {
			if _, err := tx.ExecContext(ctx, `DROP `+kind+` main.`+schema.Quote(name)); err != nil {
				return false, fmt.Errorf("drop %s: %w", name, err)
			}
		}
	}
	return found, (&Store{}).explain(tx.Commit())
}

// ownObjects lists what is ours by its name, which no application's is: watch
// refuses such tables.
func ownObjects(ctx context.Context, tx *sql.Tx, kind string) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT name FROM main.sqlite_master WHERE type = ? AND name LIKE 'sqlsync\_%' ESCAPE '\'`, kind)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}
