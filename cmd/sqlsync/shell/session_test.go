package shell

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestScriptStopsAtFirstError(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad file.sql")
	if err := os.WriteFile(bad, []byte("SELECT 'in file';\n\nSELECT *\nFROM missing;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(dir, "loop.sql")
	if err := os.WriteFile(loop, []byte(".read '"+loop+"'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, script, out, err string }{
		{"prepare", "SELECT 1;\n-- c\n\nSELECT 2,\nbogus;\nSELECT 3;", "1\n", "line 4: no such column: bogus"},
		{"second on a line", "\nSELECT 1; SELECT x; SELECT 3;", "1\n", "line 2: no such column: x"},
		{"step", "CREATE TABLE t(a UNIQUE);\nINSERT INTO t\nVALUES (1);\n/* c\n*/ INSERT INTO t VALUES (1);", "", "line 5: UNIQUE constraint failed: t.a"},
		{"incomplete", "SELECT 1;\nSELECT 'open", "1\n", `line 2: unrecognized token: "'open`},
		{"nothing left", "SELECT 1;\n-- the end", "1\n", ""},
		{"after quit", "SELECT 1;\n.quit\nSELECT 2;", "1\n", ""},
		{"command", "\n.foo", "", `line 2: no command ".foo"`},
		{"nearest", ".shcema", "", `did you mean ".schema"?`},
		{"prefix", ".h on", "", `no command ".h"`},
		{"short", ".head on\nSELECT 1 AS a;", "a\n1\n", ""},
		{"mode", ".mode boxy", "", `line 1: no mode "boxy": one of box column`},
		{"usage", ".headers", "", "line 1: usage: .headers on|off"},
		{"too many", ".quit now", "", "line 1: usage: .quit"},
		{"quote", ".read 'x", "", "line 1: no closing '"},
		{"no file", ".read nowhere", "", "line 1: open nowhere:"},
		{"file", "\n.read '" + bad + "'\nSELECT 2;", "in file\n", bad + ": line 3: no such table: missing"},
		{"file in itself", ".read '" + loop + "'", "", "files read each other"},
		{"nul", "SELECT 1;\nSELECT '\x00';", "1\n", "line 2: statement holds a NUL character"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, msg, err := runScript(t, openDB(t, ":memory:"), c.script)
			if out != c.out || msg != "" {
				t.Errorf("out %q, want %q; messages %q", out, c.out, msg)
			}
			if got := errText(err); (c.err == "") != (got == "") || !strings.Contains(got, c.err) {
				t.Errorf("error %q, want %q", got, c.err)
			}
			if at := (*Error)(nil); err != nil && !errors.As(err, &at) {
				t.Errorf("error is a %T", err)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestExec(t *testing.T) {
	db := openDB(t, ":memory:")
	for _, c := range []struct{ sql, out, err string }{
		{"CREATE TABLE t(a); INSERT INTO t VALUES (1), (2)", "", ""},
		{"SELECT a FROM t; SELECT 'two'", "1\n2\ntwo\n", ""},
		{".tables", "t\n", ""},
		{"SELECT nope", "", "no such column: nope"},
		{"SELECT 1;\nSELECT nope", "1\n", "line 2: no such column: nope"},
		{"", "", ""},
	} {
		var out bytes.Buffer
		err := Exec(t.Context(), Options{DB: db, Out: &out, Err: io.Discard, Interactive: true}, c.sql)
		if out.String() != c.out || errText(err) != c.err {
			t.Errorf("Exec(%q) = %q, %v", c.sql, &out, err)
		}
	}
}

func TestOpenTransactionIsRolledBack(t *testing.T) {
	db := openDB(t, filepath.Join(t.TempDir(), "a.db"))
	_, msg, err := runScript(t, db, "CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES (1);")
	if err != nil || !strings.Contains(msg, "rolled back") {
		t.Errorf("%q, %v", msg, err)
	}
	out, _, err := runScript(t, db, "BEGIN; SELECT count(*) FROM t; COMMIT;")
	if err != nil || out != "0\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestReadOnly(t *testing.T) {
	db := openDB(t, filepath.Join(t.TempDir(), "a.db"))
	if _, _, err := runScript(t, db, "CREATE TABLE t(a);"); err != nil {
		t.Fatal(err)
	}
	readOnly := func(o *Options) { o.ReadOnly = true }
	_, _, err := runScript(t, db, "INSERT INTO t VALUES (1);", readOnly)
	if errText(err) != "line 1: attempt to write a readonly database" {
		t.Error(err)
	}
	if out, _, err := runScript(t, db, "SELECT count(*) FROM t;", readOnly); err != nil || out != "0\n" {
		t.Error(out, err)
	}
	if _, err := db.Exec("INSERT INTO t VALUES (1)"); err != nil {
		t.Errorf("the pool's connection stayed read-only: %v", err)
	}
}

func TestInternalTablesAreHidden(t *testing.T) {
	out, _, err := runScript(t, openDB(t, ":memory:"), `
CREATE TABLE orders(id INTEGER PRIMARY KEY);
CREATE TABLE sqlsync_oplog(k);
CREATE INDEX sqlsync_oplog_k ON sqlsync_oplog(k);
CREATE TRIGGER sqlsync_orders_ai AFTER INSERT ON orders BEGIN SELECT 1; END;
CREATE TABLE sqlsyncish(a);
.tables
.schema
.schema sqlsync_oplog
SELECT '--';
.all on
.tables
.schema %o%
`)
	want := `orders      sqlsyncish
CREATE TABLE orders(id INTEGER PRIMARY KEY);
CREATE TABLE sqlsyncish(a);
--
orders         sqlsync_oplog  sqlsyncish   
CREATE TABLE orders(id INTEGER PRIMARY KEY);
CREATE TABLE sqlsync_oplog(k);
CREATE INDEX sqlsync_oplog_k ON sqlsync_oplog(k);
CREATE TRIGGER sqlsync_orders_ai AFTER INSERT ON orders BEGIN SELECT 1; END;
`
	if err != nil || out != want {
		t.Errorf("%v\n%s", err, out)
	}
}

const endless = "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c) SELECT x FROM c WHERE x = 1;"

// cancelAtRow ends a context when the first row is printed: the statement then
// runs inside a step that finds no second one.
type cancelAtRow struct{ cancel context.CancelFunc }

func (w cancelAtRow) Write(p []byte) (int, error) { w.cancel(); return len(p), nil }

func TestContextInterruptsStatement(t *testing.T) {
	db := openDB(t, ":memory:")
	ctx, cancel := context.WithCancel(t.Context())
	err := hold(ctx, Options{DB: db, Out: cancelAtRow{cancel}, Err: io.Discard, Interactive: true, Mode: "list"},
		func(s *session) error { return s.run(ctx, "", 1, endless) })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err = Exec(ctx, Options{DB: db, Out: io.Discard, Err: io.Discard}, endless)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if out, _, err := runScript(t, db, "SELECT 1;"); err != nil || out != "1\n" {
		t.Errorf("after an interrupt: %q, %v", out, err)
	}
}

func TestScriptEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Run(ctx, Options{DB: openDB(t, ":memory:"), In: strings.NewReader("SELECT 1;"), Out: io.Discard, Err: io.Discard})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestOutputErrorEndsShell(t *testing.T) {
	err := Exec(t.Context(), Options{DB: openDB(t, ":memory:"), Out: brokenPipe{}, Err: io.Discard}, "SELECT 1")
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

func TestCompletion(t *testing.T) {
	db := openDB(t, ":memory:")
	_, _, err := runScript(t, db, `CREATE TABLE orders(id INTEGER PRIMARY KEY, "placed at", total_cents);
		CREATE TABLE order_lines(order_id, qty); CREATE TABLE "odd name"(q); CREATE TABLE sqlsync_oplog(k0);`)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "seed.sql"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ before, want string }{
		{"sel", "select"},
		{"SEL", "SELECT"},
		{"SELECT * FROM ord", "order_lines orders order_id order"},
		{"SELECT tot", "total_cents"},
		{"SELECT pla", `"placed at" plan`},
		{"SELECT * FROM od", `"odd name"`},
		{"SELECT orders.", `id "placed at" total_cents`},
		{"SELECT o.q", "q qty"},
		{"SELECT * FROM sqlsync", ""},
		{"SELECT ", ""},
		{".m", ".mode"},
		{".mode t", "table tabs"},
		{".headers ", "off on"},
		{".schema order_", "order_lines"},
		{".read " + dir + "/s", filepath.Join(dir, "seed.sql")},
	} {
		err := hold(t.Context(), Options{DB: db, Out: io.Discard, Err: io.Discard}, func(s *session) error {
			_, words, tail := s.complete(c.before, " tail")
			if got := strings.Join(words, " "); got != c.want || tail != " tail" {
				t.Errorf("complete(%q) = %q %q, want %q", c.before, got, tail, c.want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
