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
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"

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
	stmts map[string]driver.Stmt
	args  []driver.NamedValue
	row   []driver.Value
	out   []any
}

// driverConn is what we use of the driver's connection.
type driverConn interface {
	driver.ConnPrepareContext
	sqlite.AuthorizerRegisterer
	IsReadOnly(schema string) (bool, error)
}

// Open takes a connection out of db for as long as the Conn lives.
func Open(ctx context.Context, db *sql.DB) (*Conn, error) {
	sc, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	c := &Conn{sc: sc, stmts: make(map[string]driver.Stmt)}
	err = sc.Raw(func(dc any) error {
		var ok bool
		if c.dc, ok = dc.(driverConn); !ok {
			return fmt.Errorf("driver connection %T cannot be authorized", dc)
		}
		return nil
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
	return c.sc.Close()
}

// Forget finalizes every kept statement. It is called when the schema changed
// and statements as they are spelled now will not come again.
func (c *Conn) Forget() {
	for q, st := range c.stmts {
		st.Close()
		delete(c.stmts, q)
	}
}

// Authorize installs fn as the authorizer of the connection, nil none.
func (c *Conn) Authorize(fn sqlite.AuthorizerFn) error { return c.dc.RegisterAuthorizer(fn) }

// ReadOnly reports whether the file could be opened for reading only.
func (c *Conn) ReadOnly() (bool, error) { return c.dc.IsReadOnly("main") }

// QueryContext is database/sql's, for code that reads the schema.
func (c *Conn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return c.sc.QueryContext(ctx, query, args...)
}

// keep bounds the statements that are kept. A store has some tens per table.
const keep = 4000

func (c *Conn) prepare(query string) (driver.Stmt, error) {
	if st, ok := c.stmts[query]; ok {
		return st, nil
	}
	if len(c.stmts) >= keep {
		c.Forget()
	}
	st, err := c.dc.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = st
	return st, nil
}

func (c *Conn) named(args []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, a := range args {
		switch v := a.(type) {
		case int:
			a = int64(v)
		case bool:
			a = int64(0)
			if v {
				a = int64(1)
			}
		case []byte:
			if v == nil {
				a = []byte{} // the driver would bind a nil slice as NULL
			}
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.args
}

// Exec runs one statement and returns how many rows it changed. It cannot be
// interrupted: callers look at their context between statements, because a
// context here costs a goroutine per statement. The arguments are int64, int,
// bool, float64, string, []byte or nil; a nil []byte is the empty blob.
func (c *Conn) Exec(query string, args ...any) (changed int64, err error) {
	st, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	res, err := st.(driver.StmtExecContext).ExecContext(context.Background(), c.named(args))
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Stop, returned by a row function, ends the query without an error.
var Stop = errors.New("stop")

// Query runs one statement and calls fn for each row. The row slice is used
// again for the next one; its values may be kept. fn must not use the Conn.
func (c *Conn) Query(fn func(row []any) error, query string, args ...any) error {
	st, err := c.prepare(query)
	if err != nil {
		return err
	}
	rows, err := st.(driver.StmtQueryContext).QueryContext(context.Background(), c.named(args))
	if err != nil {
		return err
	}
	n := len(rows.Columns())
	if cap(c.row) < n {
		c.row, c.out = make([]driver.Value, n), make([]any, n)
	}
	row, out := c.row[:n], c.out[:n]
	for {
		if err = rows.Next(row); err != nil {
			break
		}
		for i, v := range row {
			out[i] = v
		}
		if err = fn(out); err != nil {
			break
		}
	}
	if err == io.EOF || errors.Is(err, Stop) {
		err = nil
	}
	if cerr := rows.Close(); err == nil {
		err = cerr
	}
	return err
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
	var e *sqlite.Error
	return errors.As(err, &e)
}

// NotADatabase reports whether err says that the file is something else.
func NotADatabase(err error) bool { return is(err, sqlite3.SQLITE_NOTADB) }

// Corrupt reports whether err says that the file is damaged.
func Corrupt(err error) bool { return is(err, sqlite3.SQLITE_CORRUPT) }

// Unique reports whether err is a violation of a UNIQUE or PRIMARY KEY
// constraint.
func Unique(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return true
	}
	return false
}

// is compares the primary result code.
func is(err error, code int) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == code
}

// RowError reports whether err says that a row cannot be stored as it is,
// other than by a constraint: a value of the wrong type for a rowid, or one
// that is too large.
func RowError(err error) bool {
	return is(err, sqlite3.SQLITE_MISMATCH) || is(err, sqlite3.SQLITE_TOOBIG)
}
