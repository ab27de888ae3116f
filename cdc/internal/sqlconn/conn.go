// Package sqlconn is one SQLite connection for work on many rows: statements
// are prepared once and kept, arguments and rows go to the driver without
// database/sql between, and nothing waits for a lock unless it is told to.
//
// [Conn] is for the store's writing side; everything that reads a few rows at
// leisure uses database/sql.
package sqlconn

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// DSN returns the data source name of a database file for this driver. Params
// are its query parameters, such as "_pragma=busy_timeout(100)".
func DSN(path string, params ...string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	for i, p := range params {
		if i > 0 {
			u.RawQuery += "&"
		}
		u.RawQuery += p
	}
	return u.String()
}

// Conn is one connection. It is not safe for concurrent use.
type Conn struct {
	sc    *sql.Conn
	dc    driverConn
	n     *native
	stmts map[string]*stmt
	row   []any
}

// driverConn is what we use of the driver's connection.
type driverConn interface {
	sqlite.AuthorizerRegisterer
	IsReadOnly(schema string) (bool, error)
}

// Open takes a connection out of db for as long as the Conn lives.
func Open(ctx context.Context, db *sql.DB) (*Conn, error) {
	sc, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	c := &Conn{sc: sc, stmts: make(map[string]*stmt)}
	err = sc.Raw(func(dc any) (err error) {
		var ok bool
		if c.dc, ok = dc.(driverConn); !ok {
			return fmt.Errorf("driver connection %T cannot be authorized", dc)
		}
		c.n, err = newNative(dc)
		return err
	})
	if err != nil {
		sc.Close()
		return nil, err
	}
	return c, nil
}

// Close finalizes the statements and gives the connection back.
func (c *Conn) Close() error {
	c.Forget()
	c.n.close()
	return c.sc.Close()
}

// Forget finalizes every kept statement. It is called when the schema changed
// and statements as they are spelled now will not come again.
func (c *Conn) Forget() {
	for q, st := range c.stmts {
		c.n.finalize(st)
		delete(c.stmts, q)
	}
}

// WaitFor sets for how long a statement waits for the locks of others.
func (c *Conn) WaitFor(d time.Duration) error {
	_, err := c.Exec(fmt.Sprintf(`PRAGMA busy_timeout = %d`, d.Milliseconds()))
	return err
}

// Authorize installs fn as the authorizer of the connection, nil none.
func (c *Conn) Authorize(fn sqlite.AuthorizerFn) error { return c.dc.RegisterAuthorizer(fn) }

// ReadOnly reports whether the file could be opened for reading only.
func (c *Conn) ReadOnly() (bool, error) { return c.dc.IsReadOnly("main") }

// ReadElsewhere reports whether another process is in a transaction that reads
// a file with a write-ahead log. It is false where that cannot be told: there
// is no write-ahead log, or the system is Windows.
func (c *Conn) ReadElsewhere() bool { return c.n.readElsewhere() }

// SyncLog makes durable what is in the write-ahead log, as COMMIT does with
// synchronous = FULL while others wait for the lock. It reports whether there was
// anything.
func (c *Conn) SyncLog() (synced bool, err error) { return c.n.syncLog() }

// QueryContext is database/sql's, for code that reads the schema.
func (c *Conn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return c.sc.QueryContext(ctx, query, args...)
}

// keep bounds the statements that are kept. A store has some tens per table.
const keep = 4000

func (c *Conn) prepare(query string) (*stmt, error) {
	if st, ok := c.stmts[query]; ok {
		return st, nil
	}
	if len(c.stmts) >= keep {
		c.Forget()
	}
	st, err := c.n.prepare(query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = st
	return st, nil
}

// Exec runs one statement and returns how many rows it changed. It cannot be
// interrupted: callers look at their context between statements. The arguments
// are int64, int, bool, float64, string, []byte or nil; a nil []byte is the
// empty blob.
func (c *Conn) Exec(query string, args ...any) (changed int64, err error) {
	st, err := c.prepare(query)
	if err != nil || st.p == 0 {
		return 0, err
	}
	defer c.n.reset(st)
	if err := c.n.bind(st, args); err != nil {
		return 0, err
	}
	for more := true; more; {
		if more, err = c.n.step(st); err != nil {
			return 0, err
		}
	}
	return c.n.changes(), nil
}

// Stop, returned by a row function, ends the query without an error.
var Stop = errors.New("stop")

// Query runs one statement and calls fn for each row. The row slice is used
// again for the next one; its values may be kept. fn must not use the Conn.
func (c *Conn) Query(fn func(row []any) error, query string, args ...any) error {
	st, err := c.prepare(query)
	if err != nil || st.p == 0 {
		return err
	}
	defer c.n.reset(st)
	if err := c.n.bind(st, args); err != nil {
		return err
	}
	if cap(c.row) < st.columns {
		c.row = make([]any, st.columns)
	}
	for {
		more, err := c.n.step(st)
		if err != nil || !more {
			return err
		}
		row := c.row[:st.columns]
		c.n.read(st, row)
		if err := fn(row); errors.Is(err, Stop) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Int returns the first column of the first row, 0 where there is no row or it
// is NULL.
func (c *Conn) Int(query string, args ...any) (n int64, err error) {
	err = c.Query(func(row []any) error {
		n, _ = row[0].(int64)
		return Stop
	}, query, args...)
	return n, err
}

// Busy reports whether err says that another connection has the lock.
func Busy(err error) bool { return is(err, sqlite3.SQLITE_BUSY) || is(err, sqlite3.SQLITE_LOCKED) }

// Constraint reports whether err says that a row broke a constraint of its
// table or that a trigger raised an error.
func Constraint(err error) bool { return is(err, sqlite3.SQLITE_CONSTRAINT) }

// ReadOnly reports whether err says that the file cannot be written.
func ReadOnly(err error) bool { return is(err, sqlite3.SQLITE_READONLY) }

// Full reports whether err says that the disk, or the file, is full.
func Full(err error) bool { return is(err, sqlite3.SQLITE_FULL) }

// CannotOpen reports whether err says that a file could not be opened or made.
func CannotOpen(err error) bool { return is(err, sqlite3.SQLITE_CANTOPEN) }

// Disk reports whether err is of the disk or of memory, whatever was asked of
// them.
func Disk(err error) bool {
	return Full(err) || is(err, sqlite3.SQLITE_IOERR) || is(err, sqlite3.SQLITE_NOMEM) || is(err, sqlite3.SQLITE_INTERRUPT)
}

// Told reports whether SQLite told err.
func Told(err error) bool {
	_, ok := code(err)
	return ok
}

// code is the extended result code of an error that SQLite told, on a Conn or
// through database/sql.
func code(err error) (int, bool) {
	var own *Error
	var drivers *sqlite.Error
	switch {
	case errors.As(err, &own):
		return own.code, true
	case errors.As(err, &drivers):
		return drivers.Code(), true
	}
	return 0, false
}

// NotADatabase reports whether err says that the file is something else.
func NotADatabase(err error) bool { return is(err, sqlite3.SQLITE_NOTADB) }

// Corrupt reports whether err says that the file is damaged.
func Corrupt(err error) bool { return is(err, sqlite3.SQLITE_CORRUPT) }

// Unique reports whether err is a violation of a UNIQUE or PRIMARY KEY
// constraint.
func Unique(err error) bool {
	c, _ := code(err)
	switch c {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return true
	}
	return false
}

// is compares the primary result code.
func is(err error, primary int) bool {
	c, ok := code(err)
	return ok && c&0xff == primary
}

// RowError reports whether err says that a row cannot be stored as it is,
// other than by a constraint: a value of the wrong type for a rowid, or one
// that is too large.
func RowError(err error) bool {
	return is(err, sqlite3.SQLITE_MISMATCH) || is(err, sqlite3.SQLITE_TOOBIG)
}
