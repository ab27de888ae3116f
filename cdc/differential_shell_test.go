package cdc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sqlsync/fixtures/generate"
)

// needShells skips, loudly, where the programs that stand for applications are
// missing or too old for what the scripts have in them.
func needShells(t *testing.T) {
	t.Helper()
	out, err := exec.Command("sqlite3", ":memory:", "SELECT sqlite_version() || CASE WHEN sqlite_version() GLOB '3.[12]?.*' OR sqlite_version() GLOB '3.3[0-7].*' THEN ' is too old' ELSE '' END").CombinedOutput()
	if err != nil || strings.Contains(string(out), "old") {
		t.Skipf("SKIPPED: NOTHING IS TESTED: the sqlite3 program, 3.38 or later: %v %s", err, out)
	}
}

// shell is a program that runs a step on a node's file and returns all that
// it was told: rows, errors, changes() and last_insert_rowid().
type shell func(*trial, *node, generate.Step) string

func sqlite3Shell(d *trial, n *node, s generate.Step) string {
	var in strings.Builder
	file := "app.db"
	if s.Attached {
		file = ":memory:"
		in.WriteString("ATTACH 'app.db' AS aux;\n")
	}
	for _, q := range s.SQL {
		in.WriteString(q + ";\n")
		if q != "VACUUM" { // which leaves the number of schema objects as the last rowid
			in.WriteString("SELECT changes(), last_insert_rowid();\n")
		}
	}
	return d.output(n, in.String(), "sqlite3", "-batch", "-init", "/dev/null", "-cmd", ".timeout 10000", "-cmd", ".mode quote", "-cmd", ".echo on", file)
}

func pythonShell(d *trial, n *node, s generate.Step) string {
	file, statements := "app.db", s.SQL
	if s.Attached {
		file, statements = ":memory:", append([]string{"ATTACH 'app.db' AS aux"}, s.SQL...)
	}
	in, err := json.Marshal(statements)
	if err != nil {
		d.Fatal(err)
	}
	return d.output(n, string(in), "python3", "-c", pythonProgram, file)
}

const pythonProgram = `
import json, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
c.text_factory = bytes
for q in json.load(sys.stdin):
    try:
        print(q, c.execute(q).fetchall())
    except sqlite3.Error as e:
        print(q, type(e), e)
    if q != 'VACUUM': print(c.execute("SELECT changes(), last_insert_rowid()").fetchall(), c.in_transaction)
`

// output runs a program in the node's directory.
func (d *trial) output(n *node, in, name string, args ...string) string {
	d.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin = filepath.Dir(n.path), strings.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		d.Fatal(err)
	}
	return out.String() + errs.String()
}

// comparable leaves out of both what no table with triggers can keep. Where a
// foreign key fails SQLite looks before it inserts if there is no trigger at
// all, and else afterwards, when last_insert_rowid() has been set. And of two
// values of a wrong type another one may be named.
func comparable(want, got string) (string, string) {
	want, got = wrongType.ReplaceAllString(want, "cannot store"), wrongType.ReplaceAllString(got, "cannot store")
	const failed = "FOREIGN KEY constraint failed"
	if strings.Contains(got, failed) && strings.Contains(want, failed) {
		return lastRowid.ReplaceAllString(want, "$1"), lastRowid.ReplaceAllString(got, "$1")
	}
	return want, got
}

var wrongType = regexp.MustCompile(`cannot store [A-Z]+ value in [A-Z]+ column .*`)

// lastRowid finds what last_insert_rowid() gave.
var lastRowid = regexp.MustCompile(`(?m)^((?:\[\()?\d+), ?-?\d+`)

// firstDifference shows two texts from their first different line on, and the
// errors that only one of them has.
func firstDifference(want, got string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	part := func(list, other []string) string {
		out := slices.Clone(list[min(n, len(list)):min(n+3, len(list))])
		for _, line := range list {
			if strings.Contains(line, "rror") && !slices.Contains(other, line) {
				out = append(out, line)
			}
		}
		return strings.Join(out, "\n")
	}
	return fmt.Sprintf("after %q\n%s\nand without sqlsync\n%s", a[max(n-4, 0):n], part(a, b), part(b, a))
}

// transcript is the script up to a step, to be read and run by hand.
func transcript(s generate.Script, last int) string {
	var b strings.Builder
	for _, q := range s.Schema {
		fmt.Fprintf(&b, "%s;\n", q)
	}
	for i, step := range s.Steps[:last+1] {
		fmt.Fprintf(&b, "-- step %d", i)
		if step.Attached {
			b.WriteString(", the file is attached to another")
		}
		fmt.Fprintf(&b, "\n%s;\n", strings.Join(step.SQL, ";\n"))
		if step.Replica != nil {
			fmt.Fprintf(&b, "-- replica, late %v: %s\n", step.Late, strings.Join(step.Replica, "; "))
		}
	}
	return b.String()
}
