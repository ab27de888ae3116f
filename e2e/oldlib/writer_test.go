package oldlib_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// writer is an application's SQLite library.
type writer struct {
	name  string
	needs string // a program
	// run executes statements on one new connection, waiting long for locks,
	// and goes on after one that fails. It returns the lines of the rows,
	// columns joined by "|", and the errors.
	run func(path string, statements []string) (rows, errs []string, err error)
}

var writers = []writer{
	{"SQLite 3.8.5 by go-sqlite3 v1.0.0", "gcc", runOld},
	{"sqlite3 program", "sqlite3", runProgram},
	{"Python's sqlite3 module", "python3", runPython},
}

func (w writer) need(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath(w.needs); err != nil || w.needs == "gcc" && !haveOld {
		t.Skipf("SKIPPED: %s: %s is not installed or not used", w.name, w.needs)
	}
}

// all executes statements of which none may fail.
func (w writer) all(t *testing.T, path string, statements ...string) []string {
	t.Helper()
	rows, errs, err := w.run(path, statements)
	if err != nil || len(errs) > 0 {
		t.Fatalf("%s on %s: %v\n%s", w.name, path, err, strings.Join(errs, "\n"))
	}
	return rows
}

// told executes statements and says what the application is told of each:
// how many rows it changed, the rowid it inserted, the error.
func (w writer) told(t *testing.T, path string, statements []string) (answers, errs []string) {
	t.Helper()
	ask := []string{"PRAGMA foreign_keys = ON"}
	for i, s := range statements {
		ask = append(ask, s, fmt.Sprintf("SELECT %d, changes(), last_insert_rowid()", i))
	}
	answers, errs, err := w.run(path, ask)
	if err != nil {
		t.Fatalf("%s on %s: %v", w.name, path, err)
	}
	if len(answers) != len(statements) {
		t.Fatalf("%s on %s: %d answers to %d statements\n%s", w.name, path, len(answers), len(statements), strings.Join(errs, "\n"))
	}
	return answers, errs
}

func runProgram(path string, statements []string) (rows, errs []string, err error) {
	script := strings.Join(statements, ";\n") + ";\n"
	return runCommand(exec.Command("sqlite3", "-batch", "-cmd", ".timeout 20000", path), script)
}

// pythonProgram lets the module begin transactions, as Python programs do.
const pythonProgram = `
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
begun = False
for s in json.load(sys.stdin):
    begun = begun or s.startswith("BEGIN")
    try:
        for row in db.execute(s):
            print("|".join("" if v is None else str(v) for v in row))
    except sqlite3.Error as e:
        print(e, file=sys.stderr)
    begun = begun and s not in ("COMMIT", "ROLLBACK")
    if not begun:
        db.commit()
db.close()
`

func runPython(path string, statements []string) (rows, errs []string, err error) {
	script, err := json.Marshal(statements)
	if err != nil {
		return nil, nil, err
	}
	return runCommand(exec.Command("python3", "-c", pythonProgram, path), string(script))
}

// runCommand takes an exit code other than 0 for the failure of a statement.
func runCommand(cmd *exec.Cmd, script string) (rows, errs []string, err error) {
	var out, bad bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(script), &out, &bad
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !(errors.As(err, &exit) && bad.Len() > 0) {
		return nil, nil, fmt.Errorf("run %s: %w", cmd.Args[0], err)
	}
	return lines(out.String()), lines(bad.String()), nil
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
