package sqlconn

import (
	"fmt"
	"math"
	"reflect"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// The driver opens every connection with SQLITE_OPEN_FULLMUTEX: each column
// that is read and each argument that is bound locks and unlocks a mutex, and
// goes through database/sql's values. Where many rows are, that is more than
// half of the time. A Conn has one user at a time, so it makes the library
// calls that the driver makes, on the driver's handle, without that mutex:
// what SQLITE_OPEN_NOMUTEX does. Opening, pragmas, functions and the
// authorizer stay the driver's.
type native struct {
	tls   *libc.TLS
	db    uintptr // sqlite3*
	mutex uintptr // the handle's, while it is without
	out   uintptr // two pointers: statement, tail
	room  uintptr // memory of SQLite's for the texts and blobs that are bound
	size  int     // of room
	// synced is how many pages had been written when the log was synced last.
	synced int32
}

const (
	pointerSize = int(unsafe.Sizeof(uintptr(0)))
	// roomKept is how much room is kept from one statement to the next.
	roomKept = 1 << 20
)

// newNative takes the handle out of the driver's connection by reflection,
// because the driver exports none. A driver that has moved it is an error here,
// never a wrong pointer.
func newNative(dc any) (*native, error) {
	t := reflect.TypeOf(dc)
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().PkgPath() != "modernc.org/sqlite" {
		return nil, fmt.Errorf("connection is a %T, need one of modernc.org/sqlite", dc)
	}
	f := reflect.ValueOf(dc).Elem().FieldByName("db")
	if !f.IsValid() || f.Kind() != reflect.Uintptr || f.Uint() == 0 {
		return nil, fmt.Errorf("%T has no SQLite handle where this version expects it", dc)
	}
	n := &native{tls: libc.NewTLS(), db: uintptr(f.Uint())}
	n.out = libc.Xmalloc(n.tls, libc.Tsize_t(2*pointerSize))
	n.mutex = n.handle().Fmutex
	n.handle().Fmutex = 0
	return n, nil
}

func (n *native) handle() *sqlite3.Tsqlite3 { return at[sqlite3.Tsqlite3](n.db) }

// close gives the handle back as it was.
func (n *native) close() {
	n.handle().Fmutex = n.mutex
	libc.Xfree(n.tls, n.out)
	libc.Xfree(n.tls, n.room)
	n.tls.Close()
}

// at is what is at an address of SQLite's memory, which Go's collector knows
// nothing of.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

func bytesAt(p uintptr, n int) []byte { return unsafe.Slice(at[byte](p), n) }

// Error is what SQLite told.
type Error struct {
	code int // extended
	msg  string
}

func (e *Error) Error() string { return e.msg }

// fault makes the error of a result code, spelled as the driver does.
func (n *native) fault(rc int32) error {
	text, detail := libc.GoString(sqlite3.Xsqlite3_errstr(n.tls, rc)), libc.GoString(sqlite3.Xsqlite3_errmsg(n.tls, n.db))
	if detail != text {
		text += ": " + detail
	}
	text = fmt.Sprintf("%s (%d)", text, rc)
	if rc == sqlite3.SQLITE_BUSY {
		text += " (SQLITE_BUSY)"
	}
	return &Error{int(rc), text}
}

// stmt is a prepared statement.
type stmt struct {
	p             uintptr // sqlite3_stmt*, 0 of a comment
	args, columns int
}

func (n *native) prepare(query string) (*stmt, error) {
	text, err := libc.CString(query)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(n.tls, text)
	tail := n.out + uintptr(pointerSize)
	if rc := sqlite3.Xsqlite3_prepare_v3(n.tls, n.db, text, int32(len(query)+1), sqlite3.SQLITE_PREPARE_PERSISTENT, n.out, tail); rc != sqlite3.SQLITE_OK {
		return nil, n.fault(rc)
	}
	st := &stmt{p: *at[uintptr](n.out)}
	if rest := *at[uintptr](tail); *at[byte](rest) != 0 {
		n.finalize(st)
		return nil, fmt.Errorf("%q is more than one statement", query)
	}
	if st.p != 0 {
		st.args = int(sqlite3.Xsqlite3_bind_parameter_count(n.tls, st.p))
		st.columns = int(sqlite3.Xsqlite3_column_count(n.tls, st.p))
	}
	return st, nil
}

func (n *native) finalize(st *stmt) { sqlite3.Xsqlite3_finalize(n.tls, st.p) }

// step reports whether there is a row.
func (n *native) step(st *stmt) (bool, error) {
	switch rc := sqlite3.Xsqlite3_step(n.tls, st.p); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, n.fault(rc)
	}
}

// readElsewhere asks for the locks of readers in the log's index. The library
// asks on its own descriptor: one of ours, once closed, would drop its locks.
func (n *native) readElsewhere() bool {
	*at[int32](n.out) = 0
	rc := sqlite3.Xsqlite3_file_control(n.tls, n.db, 0, sqlite3.SQLITE_FCNTL_EXTERNAL_READER, n.out)
	return rc == sqlite3.SQLITE_OK && *at[int32](n.out) != 0
}

// syncLog has the library sync the file of its log, if this connection has
// written to it since.
func (n *native) syncLog() (synced bool, err error) {
	second := n.out + uintptr(pointerSize)
	if rc := sqlite3.Xsqlite3_db_status(n.tls, n.db, sqlite3.SQLITE_DBSTATUS_CACHE_WRITE, n.out, second, 0); rc != sqlite3.SQLITE_OK {
		return false, n.fault(rc)
	}
	written := *at[int32](n.out)
	if written == n.synced {
		return false, nil
	}
	*at[uintptr](n.out) = 0
	if rc := sqlite3.Xsqlite3_file_control(n.tls, n.db, 0, sqlite3.SQLITE_FCNTL_JOURNAL_POINTER, n.out); rc != sqlite3.SQLITE_OK {
		return false, n.fault(rc)
	}
	file := *at[uintptr](n.out)
	if file == 0 || at[sqlite3.Tsqlite3_file](file).FpMethods == 0 {
		return false, nil // there is no log: its mode is another
	}
	method := struct{ uintptr }{at[sqlite3.Tsqlite3_io_methods](at[sqlite3.Tsqlite3_file](file).FpMethods).FxSync}
	xSync := *(*func(*libc.TLS, uintptr, int32) int32)(unsafe.Pointer(&method))
	if rc := xSync(n.tls, file, sqlite3.SQLITE_SYNC_NORMAL); rc != sqlite3.SQLITE_OK {
		return false, &Error{int(rc), fmt.Sprintf("sync the write-ahead log: %s (%d)", libc.GoString(sqlite3.Xsqlite3_errstr(n.tls, rc)), rc)}
	}
	n.synced = written
	return true, nil
}

func (n *native) reset(st *stmt) { sqlite3.Xsqlite3_reset(n.tls, st.p) }

func (n *native) changes() int64 { return int64(sqlite3.Xsqlite3_changes(n.tls, n.db)) }

// bind gives a statement its arguments; what it has no place for is left out.
// Texts and blobs are copied to one piece
// of memory and lent to SQLite: they are there until the next bind.
func (n *native) bind(st *stmt, args []any) error {
	if len(args) < st.args {
		return fmt.Errorf("%d arguments for a statement that has %d", len(args), st.args)
	}
	args = args[:st.args]
	size := 0
	for _, a := range args {
		switch v := a.(type) {
		case string:
			size += len(v)
		case []byte:
			size += len(v)
		}
	}
	if err := n.makeRoom(size); err != nil {
		return err
	}
	next := n.room
	for i, a := range args {
		var rc int32
		place := int32(i + 1)
		switch v := a.(type) {
		case nil:
			rc = sqlite3.Xsqlite3_bind_null(n.tls, st.p, place)
		case int64:
			rc = sqlite3.Xsqlite3_bind_int64(n.tls, st.p, place, v)
		case int:
			rc = sqlite3.Xsqlite3_bind_int64(n.tls, st.p, place, int64(v))
		case bool:
			var b int64
			if v {
				b = 1
			}
			rc = sqlite3.Xsqlite3_bind_int64(n.tls, st.p, place, b)
		case float64:
			rc = sqlite3.Xsqlite3_bind_double(n.tls, st.p, place, v)
		case string:
			copy(bytesAt(next, len(v)), v)
			rc = sqlite3.Xsqlite3_bind_text(n.tls, st.p, place, next, int32(len(v)), sqlite3.SQLITE_STATIC)
			next += uintptr(len(v))
		case []byte:
			copy(bytesAt(next, len(v)), v)
			rc = sqlite3.Xsqlite3_bind_blob(n.tls, st.p, place, next, int32(len(v)), sqlite3.SQLITE_STATIC)
			next += uintptr(len(v))
		default:
			return fmt.Errorf("argument %d is a %T", place, a)
		}
		if rc != sqlite3.SQLITE_OK {
			return n.fault(rc)
		}
	}
	return nil
}

func (n *native) makeRoom(size int) error {
	if size > math.MaxInt32 {
		return &Error{sqlite3.SQLITE_TOOBIG, "arguments of more than 2 GB"}
	}
	if n.room != 0 && size <= n.size && (n.size <= roomKept || size > roomKept) {
		return nil
	}
	libc.Xfree(n.tls, n.room)
	n.size = max(size, 4096)
	if n.room = libc.Xmalloc(n.tls, libc.Tsize_t(n.size)); n.room == 0 {
		n.size = 0
		return &Error{sqlite3.SQLITE_NOMEM, "out of memory"}
	}
	return nil
}

// read copies the row that was stepped to.
func (n *native) read(st *stmt, row []any) {
	for i := range row {
		c := int32(i)
		switch sqlite3.Xsqlite3_column_type(n.tls, st.p, c) {
		case sqlite3.SQLITE_INTEGER:
			row[i] = sqlite3.Xsqlite3_column_int64(n.tls, st.p, c)
		case sqlite3.SQLITE_FLOAT:
			row[i] = sqlite3.Xsqlite3_column_double(n.tls, st.p, c)
		case sqlite3.SQLITE_TEXT:
			p := sqlite3.Xsqlite3_column_text(n.tls, st.p, c)
			row[i] = string(bytesAt(p, int(sqlite3.Xsqlite3_column_bytes(n.tls, st.p, c))))
		case sqlite3.SQLITE_BLOB:
			p := sqlite3.Xsqlite3_column_blob(n.tls, st.p, c)
			size := int(sqlite3.Xsqlite3_column_bytes(n.tls, st.p, c))
			b := make([]byte, size)
			if size > 0 {
				copy(b, bytesAt(p, size))
			}
			row[i] = b
		default:
			row[i] = nil
		}
	}
}
