package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"sqlsync/cdc"
)

// A full disk is one line and what to do, whatever the driver adds.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := cdc.CreateFile(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", cdc.AppDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`CREATE TABLE t (x); PRAGMA max_page_count = 2; INSERT INTO t VALUES (zeroblob(100000))`)
	if !cdc.IsFull(err) {
		t.Fatalf("got %v, want a full disk", err)
	}
	var out strings.Builder
	a := &app{stderr: &out}
	a.complain(errors.Join(fmt.Errorf("seal primary: seal primary: %w", err), errors.New("SQL logic error: cannot rollback")))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "sqlsync: seal primary: database or disk is full") || !strings.HasPrefix(lines[1], "hint: make room") {
		t.Errorf("got %q", lines)
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"a: b":                  "a: b",
		"seal x: seal x: full":  "seal x: full",
		"full\nno rollback":     "full; no rollback",
		"table \x1b[2J\u202e\a": "table \ufffd[2J\ufffd\ufffd",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("oneLine(%q) = %q, want %q", in, got, want)
		}
	}
}

// Wrong usage is told from failure by its exit code, and says what to do.
func TestExitUsage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"--db", path, "init"}, strings.NewReader(""), &out, &errs); code != exitDone {
		t.Fatal(errs.String())
	}
	key := strings.TrimSpace(out.String())
	for _, args := range [][]string{
		{"log", "--limit=-1"}, {"log", "--dataset", ""}, {"sync", "--timeout=-1s"}, {"verify", "--timeout=-1s"},
		{"dataset", ""}, {"dataset", "set", "", "--enabled"}, {"dataset", "set", "primary", "--batch-rows=-1"},
		{"watch", "t", "--dataset", ""}, {"serve", "--listen", "7117"},
		{"remote", "add", "me", key}, {"remote", "add", "", key}, {"remote", "set", "b", "--name", ""},
		{"remote", "add", "b", key, "--addr", ":7117"}, {"remote", "add", "b", key, "--addr", "host:0"}, {"remote", "add", "b", key, "--dataset", ""},
	} {
		var out, errs strings.Builder
		code := run(t.Context(), append([]string{"--db", path}, args...), strings.NewReader(""), &out, &errs)
		if code != exitUsage || out.Len() > 0 || !strings.Contains(errs.String(), "\nhint: ") {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", args, code, out.String(), errs.String())
		}
	}
}

// A key file of somebody else's is not the database's fault.
func TestExplainWhoseFile(t *testing.T) {
	for file, want := range map[string]string{
		"a.db-sqlsync.key": "a.db-sqlsync.key cannot be opened by this user",
		"a.db":             "a.db cannot be opened by this user",
		"a.db-journal":     "a.db is read-only",
	} {
		err := explain("a.db", fmt.Errorf("load identity: %w", &fs.PathError{Op: "open", Path: file, Err: fs.ErrPermission}))
		if err.Error() != want {
			t.Errorf("%s: %v", file, err)
		}
	}
}

type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// Who asks for a key and does not get it is told so.
func TestOutputThatIsLost(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"version", "--json"}, {"completion", "bash"}, {"man"}} {
		var errs strings.Builder
		if code := run(t.Context(), args, strings.NewReader(""), fullWriter{}, &errs); code != exitFailed || errs.String() != "sqlsync: no space left on device\n" {
			t.Errorf("%v: exit %d, %q", args, code, errs.String())
		}
	}
}
