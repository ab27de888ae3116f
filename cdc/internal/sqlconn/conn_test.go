package sqlconn_test

import (
	"bufio"
	"database/sql"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"sqlsync/cdc/internal/sqlconn"
)

func open(t *testing.T) *sqlconn.Conn {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "odd name?#%.db"))
}

func openAt(t *testing.T, path string) *sqlconn.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", sqlconn.DSN(path))
	if err != nil {
		t.Fatal(err)
	}
	c, err := sqlconn.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); db.Close() })
	return c
}

// Every value that SQLite can hold comes back with its type and its bytes,
// also from columns whose declared type the driver would interpret, provided
// that they are read through an expression.
func TestValuesSurvive(t *testing.T) {
	c := open(t)
	if _, err := c.Exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, v, d DATETIME, b BOOLEAN)`); err != nil {
		t.Fatal(err)
	}
	values := []any{
		nil, int64(0), int64(math.MaxInt64), int64(math.MinInt64), int64(9007199254740993),
		0.1 + 0.2, math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1.0,
		"", "a\x00b", "\xff\xfe", "1", "2024-01-02 03:04:05", []byte{}, []byte("1"), []byte{0, 255},
	}
	for i, v := range values {
		if _, err := c.Exec(`INSERT INTO t VALUES (?, ?, ?, ?)`, i, v, v, v); err != nil {
			t.Fatal(err)
		}
	}
	err := c.Query(func(row []any) error {
		want := values[row[0].(int64)]
		if !same(row[1], want) {
			t.Errorf("got %T %v, want %T %v", row[1], row[1], want, want)
		}
		if s, ok := want.(string); ok && len(s) > 1 && row[2] != want {
			t.Errorf("from a DATETIME column: got %T %v, want %q", row[2], row[2], s)
		}
		return nil
	}, `SELECT id, +v, +d FROM t`)
	if err != nil {
		t.Fatal(err)
	}
}

func same(a, b any) bool {
	if x, ok := a.(float64); ok {
		y, ok := b.(float64)
		return ok && math.Float64bits(x) == math.Float64bits(y)
	}
	if x, ok := a.([]byte); ok {
		y, ok := b.([]byte)
		return ok && string(x) == string(y)
	}
	return reflect.DeepEqual(a, b)
}

func TestNilSliceIsTheEmptyBlob(t *testing.T) {
	c := open(t)
	n, err := c.Int(`SELECT typeof(?) = 'blob'`, []byte(nil))
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
}

func TestErrorsAreTold(t *testing.T) {
	c := open(t)
	if _, err := c.Exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, u UNIQUE)`); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(`INSERT INTO t VALUES (1, 2)`); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{`INSERT INTO t VALUES (1, 3)`, `INSERT INTO t VALUES (2, 2)`} {
		if _, err := c.Exec(q); !sqlconn.Constraint(err) || !sqlconn.Unique(err) || sqlconn.Busy(err) {
			t.Errorf("%s: %v", q, err)
		}
	}
}

// Texts and blobs are lent to SQLite until the next statement: also those of a
// query that is read while others have been run before it, and large ones.
func TestBoundMemory(t *testing.T) {
	c := open(t)
	if _, err := c.Exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, v)`); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 3<<20)
	for i, v := range []string{"a", large, "b", large + "y", ""} {
		if _, err := c.Exec(`INSERT INTO t VALUES (?, ?)`, i, v); err != nil {
			t.Fatal(err)
		}
	}
	var got []any
	err := c.Query(func(row []any) error {
		got = append(got, row[0], len(row[1].(string)), row[2])
		return nil
	}, `SELECT id, v, ? FROM t WHERE v <> ? ORDER BY id`, "beside", "b")
	want := []any{int64(0), 1, "beside", int64(1), len(large), "beside", int64(3), len(large) + 1, "beside", int64(4), 0, "beside"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, %v; want %v", got, err, want)
	}
}

func TestWhatCannotBeRun(t *testing.T) {
	c := open(t)
	for want, args := range map[string][]any{"1 arguments for a statement that has 2": {1}, "argument 2 is a struct {}": {1, struct{}{}}} {
		if _, err := c.Exec(`SELECT ?, ?`, args...); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := c.Exec(`SELECT 1; SELECT 2`); err == nil || !strings.Contains(err.Error(), "more than one statement") {
		t.Error(err)
	}
	if _, err := c.Exec(`-- nothing`); err != nil {
		t.Error(err)
	}
	if _, err := c.Exec(`SELECT 1 FROM`); !sqlconn.Told(err) {
		t.Error(err)
	}
}

// A connection that was given back is as the driver made it.
func TestGivenBack(t *testing.T) {
	db, err := sql.Open("sqlite", sqlconn.DSN(filepath.Join(t.TempDir(), "a.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for range 3 {
		c, err := sqlconn.Open(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := c.Int(`SELECT ?`, 7); n != 7 || err != nil {
			t.Error(n, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Ping(); err != nil {
			t.Error(err)
		}
	}
}

// A reader in another process is seen for as long as its transaction lasts, one
// on this process's connections is not.
func TestReadElsewhere(t *testing.T) {
	if path := os.Getenv("SQLCONN_READ"); path != "" {
		readUntilTold(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "a.db")
	c, own := openAt(t, path), openAt(t, path)
	for _, q := range []string{`CREATE TABLE t (v)`, `PRAGMA journal_mode = WAL`, `INSERT INTO t VALUES (1)`} {
		mustExec(t, c, q)
	}
	mustExec(t, own, `BEGIN`)
	if _, err := own.Int(`SELECT v FROM t`); err != nil {
		t.Fatal(err)
	}
	if c.ReadElsewhere() {
		t.Error("a reader is seen where there is none in another process")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestReadElsewhere$")
	cmd.Env = append(os.Environ(), "SQLCONN_READ="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "reading\n" {
		t.Fatal(line, err)
	}
	if !c.ReadElsewhere() && runtime.GOOS != "windows" {
		t.Error("the other process's reader is not seen")
	}
	mustExec(t, c, `INSERT INTO t VALUES (2)`)
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if c.ReadElsewhere() {
		t.Error("a reader that is gone is seen")
	}
}

func readUntilTold(t *testing.T, path string) {
	c := openAt(t, path)
	mustExec(t, c, `BEGIN`)
	if _, err := c.Int(`SELECT v FROM t`); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("reading\n")
	io.Copy(io.Discard, os.Stdin)
}

// The log can be synced whether there is something in it, nothing new, or no log.
func TestSyncLog(t *testing.T) {
	c := open(t)
	for _, q := range []string{`CREATE TABLE t (v)`, `PRAGMA journal_mode = WAL`, `PRAGMA synchronous = 1`, `INSERT INTO t VALUES (1)`, `SELECT 1`, `PRAGMA journal_mode = DELETE`, `INSERT INTO t VALUES (2)`} {
		mustExec(t, c, q)
		if _, err := c.SyncLog(); err != nil {
			t.Errorf("after %s: %v", q, err)
		}
	}
}

func mustExec(t *testing.T, c *sqlconn.Conn, q string) {
	t.Helper()
	if _, err := c.Exec(q); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}
