package shell

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite"
)

func openDB(tb testing.TB, file string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { db.Close() })
	return db
}

// runScript returns what the script prints to Out and Err.
func runScript(tb testing.TB, db *sql.DB, script string, set ...func(*Options)) (out, msg string, err error) {
	tb.Helper()
	var o, e bytes.Buffer
	opts := Options{DB: db, In: strings.NewReader(script), Out: &o, Err: &e}
	for _, f := range set {
		f(&opts)
	}
	err = Run(context.Background(), opts)
	return o.String(), e.String(), err
}

// sqlite3Program runs the real program on the script.
func sqlite3Program(t *testing.T, script string) string {
	t.Helper()
	path, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("NOT COMPARED: the sqlite3 program is not installed")
	}
	cmd := exec.Command(path, "-batch", "-init", os.DevNull, ":memory:")
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil || msg.Len() > 0 {
		t.Fatalf("sqlite3: %v\n%s", err, &msg)
	}
	return out.String()
}

func TestSameAsSQLite3(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, msg, err := runScript(t, openDB(t, ":memory:"), string(text))
			if err != nil || msg != "" {
				t.Fatalf("shell: %v %q", err, msg)
			}
			if diff := cmp.Diff(sqlite3Program(t, string(text)), got); diff != "" {
				t.Errorf("sqlite3 -, shell +\n%s", diff)
			}
		})
	}
}

// The sqlite3 program cuts text at a NUL; the shell shows all of it.
func TestEveryByteIsShown(t *testing.T) {
	db := openDB(t, ":memory:")
	out, _, err := runScript(t, db, `SELECT CAST(x'410042' AS TEXT), x'ff00fe', CAST(x'c328' AS TEXT);
.mode json
SELECT CAST(x'410042' AS TEXT) AS t, x'ff00c3a9' AS b, 0.1+0.2 AS r, -9e999 AS i;`)
	if err != nil {
		t.Fatal(err)
	}
	want := "A\x00B|\xff\x00\xfe|\xc3(\n" +
		`[{"t":"A\u0000B","b":"\u00ff\u0000é","r":0.30000000000000004,"i":-1e999}]` + "\n"
	if out != want {
		t.Errorf("got %q\nwant %q", out, want)
	}
}

// A stored escape sequence must not reach a terminal.
func TestTerminalSeesNoControlCharacters(t *testing.T) {
	var out bytes.Buffer
	err := hold(t.Context(), Options{DB: openDB(t, ":memory:"), Out: &out, Err: io.Discard, Interactive: true, Mode: "list"},
		func(s *session) error {
			return s.run(t.Context(), "", 1, "SELECT char(27) || '[31m' || char(9) || char(0x9b) || 'é', x'07ff';")
		})
	if want := "^[[31m\t\\u009bé|^G\xff\n"; err != nil || out.String() != want {
		t.Errorf("got %q, %v\nwant %q", out.String(), err, want)
	}
}

func TestGridMeasuresCells(t *testing.T) {
	out, _, err := runScript(t, openDB(t, ":memory:"), "SELECT '日本' AS a, 1 AS b UNION ALL SELECT 'abc', 2;",
		func(o *Options) { o.Mode = "box" })
	want := `┌──────┬───┐
│  a   │ b │
├──────┼───┤
│ 日本 │ 1 │
│ abc  │ 2 │
└──────┴───┘
`
	if err != nil || out != want {
		t.Errorf("%v\n%s", err, cmp.Diff(want, out))
	}
}
