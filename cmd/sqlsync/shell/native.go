package shell

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// conn is SQLite's own interface on a connection that database/sql holds.
//
// database/sql is no way to show what is stored: the driver turns text in
// columns declared DATE, DATETIME or TIMESTAMP into time.Time (rows.go in
// modernc.org/sqlite v1.61.1), and its context does not reach a step that runs
// after the first row. Neither is wrapping the query in another one: RETURNING,
// PRAGMA and EXPLAIN cannot be wrapped. So the shell prepares and steps through
// the same library calls that the driver makes, on the driver's handle.
//
// A conn is valid inside sql.Conn.Raw and used by one goroutine, save interrupt.
type conn struct {
	tls  *libc.TLS
	db   uintptr // sqlite3*
	out  uintptr // two pointers: statement, tail
	text uintptr // scratch for numbers, numberSize bytes
	real uintptr // va_list of one double
	fmts map[string]uintptr
}

const (
	pointerSize = strconv.IntSize / 8
	numberSize  = 64
)

// newConn takes the handle out of the driver's connection by reflection,
// because the driver exports none. A driver that has moved it is an error here
// and a failing test, never a wrong pointer.
func newConn(driverConn any) (*conn, error) {
	t := reflect.TypeOf(driverConn)
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().PkgPath() != "modernc.org/sqlite" {
		return nil, fmt.Errorf("open shell: connection is a %T, need one of modernc.org/sqlite", driverConn)
	}
	f := reflect.ValueOf(driverConn).Elem().FieldByName("db")
	if !f.IsValid() || f.Kind() != reflect.Uintptr || f.Uint() == 0 {
		return nil, fmt.Errorf("open shell: %T has no SQLite handle where this version expects it", driverConn)
	}
	tls := libc.NewTLS()
	return &conn{
		tls:  tls,
		db:   uintptr(f.Uint()),
		out:  libc.Xmalloc(tls, 2*pointerSize),
		text: libc.Xmalloc(tls, numberSize),
		real: libc.NewVaList(0.0),
		fmts: map[string]uintptr{},
	}, nil
}

// close frees what newConn allocated; the handle stays the driver's.
func (c *conn) close() {
	for _, p := range c.fmts {
		libc.Xfree(c.tls, p)
	}
	libc.Xfree(c.tls, c.out)
	libc.Xfree(c.tls, c.text)
	libc.Xfree(c.tls, c.real)
	c.tls.Close()
}

// interrupt makes the running statement fail; any goroutine may call it.
func (c *conn) interrupt() {
	tls := libc.NewTLS()
	sqlite3.Xsqlite3_interrupt(tls, c.db)
	tls.Close()
}

func (c *conn) autocommit() bool { return sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) != 0 }

func (c *conn) version() string { return libc.GoString(sqlite3.Xsqlite3_libversion(c.tls)) }

var errInterrupted = errors.New("interrupted")

func (c *conn) lastError(rc int32) error {
	if rc&0xff == sqlite3.SQLITE_INTERRUPT {
		return errInterrupted
	}
	return errors.New(libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db)))
}

// prepare compiles the first statement of sql and says how many bytes of sql it
// took. The statement is nil where those hold only spaces and comments.
func (c *conn) prepare(sql string) (*stmt, int, error) {
	if strings.IndexByte(sql, 0) >= 0 {
		return nil, 0, errors.New("statement holds a NUL character")
	}
	p, err := libc.CString(sql)
	if err != nil {
		return nil, 0, err
	}
	defer libc.Xfree(c.tls, p)
	if rc := sqlite3.Xsqlite3_prepare_v2(c.tls, c.db, p, int32(len(sql)+1), c.out, c.out+pointerSize); rc != sqlite3.SQLITE_OK {
		return nil, 0, c.lastError(rc)
	}
	used := int(pointerAt(c.out+pointerSize) - p)
	if h := pointerAt(c.out); h != 0 {
		return &stmt{c: c, h: h}, used, nil
	}
	return nil, used, nil
}

func pointerAt(p uintptr) uintptr {
	b := libc.GoBytes(p, pointerSize)
	if pointerSize == 8 {
		return uintptr(binary.NativeEndian.Uint64(b))
	}
	return uintptr(binary.NativeEndian.Uint32(b))
}

// stmt is a prepared statement. Parameters that nobody binds are NULL.
type stmt struct {
	c *conn
	h uintptr
}

func (s *stmt) finalize() { sqlite3.Xsqlite3_finalize(s.c.tls, s.h) }

// isPlan reports whether this is EXPLAIN QUERY PLAN.
func (s *stmt) isPlan() bool { return sqlite3.Xsqlite3_stmt_isexplain(s.c.tls, s.h) == 2 }

// step reports whether there is a row.
func (s *stmt) step() (bool, error) {
	switch rc := sqlite3.Xsqlite3_step(s.c.tls, s.h); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, s.c.lastError(rc)
	}
}

func (s *stmt) columns() []string {
	names := make([]string, sqlite3.Xsqlite3_column_count(s.c.tls, s.h))
	for i := range names {
		names[i] = libc.GoString(sqlite3.Xsqlite3_column_name(s.c.tls, s.h, int32(i)))
	}
	return names
}

type kind int32

const (
	kindInt  kind = sqlite3.SQLITE_INTEGER
	kindReal kind = sqlite3.SQLITE_FLOAT
	kindText kind = sqlite3.SQLITE_TEXT
	kindBlob kind = sqlite3.SQLITE_BLOB
	kindNull kind = sqlite3.SQLITE_NULL
)

// value is one stored value: its storage class, the bytes of a text or blob (or
// the digits of an integer), and the number of a real.
type value struct {
	kind kind
	text string
	real float64
}

// row reads the current row. The bytes are copied; no conversion is asked for,
// so nothing is lost: NULs, invalid UTF-8 and declared types have no effect.
func (s *stmt) row(into []value) {
	for i := range into {
		n := int32(i)
		v := value{kind: kind(sqlite3.Xsqlite3_column_type(s.c.tls, s.h, n))}
		switch v.kind {
		case kindInt:
			v.text = strconv.FormatInt(sqlite3.Xsqlite3_column_int64(s.c.tls, s.h, n), 10)
		case kindReal:
			v.real = sqlite3.Xsqlite3_column_double(s.c.tls, s.h, n)
		case kindText, kindBlob:
			p := sqlite3.Xsqlite3_column_blob(s.c.tls, s.h, n)
			if p != 0 {
				v.text = string(libc.GoBytes(p, int(sqlite3.Xsqlite3_column_bytes(s.c.tls, s.h, n))))
			}
		}
		into[i] = v
	}
}

// formatReal is SQLite's own printf for one number. Go's %g chooses other
// exponents and drops the ".0".
func (c *conn) formatReal(format string, r float64) string {
	f, ok := c.fmts[format]
	if !ok {
		var err error
		if f, err = libc.CString(format); err != nil {
			return strconv.FormatFloat(r, 'g', -1, 64)
		}
		c.fmts[format] = f
	}
	libc.VaList(c.real, r)
	sqlite3.Xsqlite3_snprintf(c.tls, numberSize, c.text, f, c.real)
	b := libc.GoBytes(c.text, numberSize)
	return string(b[:bytes.IndexByte(b, 0)])
}

// strings runs a query of the shell's own that yields text columns. An argument
// is bound by being quoted into place: see quoteText.
func (c *conn) strings(sql string) ([][]string, error) {
	st, _, err := c.prepare(sql)
	if err != nil {
		return nil, err
	}
	defer st.finalize()
	var all [][]string
	vals := make([]value, len(st.columns()))
	for {
		ok, err := st.step()
		if err != nil || !ok {
			return all, err
		}
		st.row(vals)
		row := make([]string, len(vals))
		for i, v := range vals {
			row[i] = v.text
		}
		all = append(all, row)
	}
}

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
