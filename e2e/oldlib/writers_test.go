package oldlib_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whatever library writes beside sqlsync, it is told what it would be told
// without, has the same rows, and after uninstall the same schema. A third
// file, which sqlsync never sees, says what that is.
func TestWriters(t *testing.T) {
	for _, w := range writers {
		t.Run(w.name, func(t *testing.T) {
			w.need(t)
			dir := t.TempDir()
			a, b, plain := newNode(t, dir, "a"), newNode(t, dir, "b"), filepath.Join(dir, "plain.db")
			w.all(t, plain, schema...)
			w.all(t, a.path, schema...)
			if out := a.must("watch", "--all"); strings.Count(out, "watched in primary") != tables {
				t.Fatalf("not every table is watched:\n%s", out)
			}
			b.cloneOf(a)
			waitEqual(t, a, b)
			work(t, w, plain, a, b)
			for _, n := range []*node{a, b} {
				readByOld(t, n.path)
				n.stop()
				n.must("uninstall", "--yes")
				same(t, w, n, plain, slices.Concat(everything, contents))
				nothingLeft(t, n.path)
			}
		})
	}
}

// work runs the stages on the nodes and all of them on the plain file.
func work(t *testing.T, w writer, plain string, nodes ...*node) {
	t.Helper()
	var bad []string
	for i, s := range stages {
		here, there := nodes[s.node], nodes[1-s.node]
		wrote := slices.Concat(s.changes, s.work)
		want, wantErrs := w.told(t, plain, wrote)
		got, errs := w.told(t, here.path, wrote)
		for k := range wrote {
			if got[k] != want[k] {
				t.Errorf("stage %d: %s\nchanges and rowid are %s, without sqlsync %s", i, wrote[k], got[k], want[k])
			}
		}
		if !slices.Equal(errs, wantErrs) {
			t.Errorf("stage %d: errors are %q, without sqlsync %q", i, errs, wantErrs)
		}
		bad = append(bad, wantErrs...)
		if len(s.changes) > 0 {
			waitFor(t, s.comes, func() bool { return len(w.all(t, there.path, s.comes)) > 0 })
			w.all(t, there.path, s.changes...)
		}
		waitEqual(t, here, there)
		for _, n := range nodes {
			same(t, w, n, plain, contentsOf(i))
		}
	}
	if len(bad) != refused || !strings.Contains(bad[0], "UNIQUE constraint failed") {
		t.Errorf("the work itself fails: %q", bad)
	}
}

// contentsOf leaves out what has no columns yet.
func contentsOf(stage int) []string {
	if stage < len(stages)-2 {
		return contents[3:]
	}
	return contents
}

// same compares what two files answer.
func same(t *testing.T, w writer, n *node, plain string, queries []string) {
	t.Helper()
	got, want := w.all(t, n.path, queries...), w.all(t, plain, queries...)
	if !slices.Equal(got, want) {
		t.Errorf("%s is\n%s\nwithout sqlsync\n%s", n.name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// readByOld reads a file by the old library, sqlsync's own tables too.
func readByOld(t *testing.T, path string) {
	t.Helper()
	if !haveOld {
		t.Log("SKIPPED: reading by SQLite 3.8.5: built without cgo")
		return
	}
	old := writers[0]
	if rows := old.all(t, path, "SELECT * FROM sqlite_master"); !strings.Contains(strings.Join(rows, "\n"), "TRIGGER sqlsync_") {
		t.Errorf("%s: no trigger among %d lines of schema", path, len(rows))
	}
	for _, name := range old.all(t, path, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')") {
		old.all(t, path, `SELECT * FROM "`+name+`"`)
	}
	if got := old.all(t, path, "PRAGMA integrity_check"); !slices.Equal(got, []string{"ok"}) {
		t.Errorf("%s: integrity_check by SQLite 3.8.5: %q", path, got)
	}
}

// nothingLeft looks for traces, and has the old library use the file.
func nothingLeft(t *testing.T, path string) {
	t.Helper()
	if left, _ := filepath.Glob(path + "-*"); len(left) != 0 {
		t.Errorf("files left: %v", left)
	}
	if !haveOld {
		return
	}
	old := writers[0]
	if got := old.all(t, path, "SELECT name FROM sqlite_master WHERE name LIKE '%sqlsync%' OR sql LIKE '%sqlsync%'"); len(got) != 0 {
		t.Errorf("%s: left: %q", path, got)
	}
	old.all(t, path, "INSERT INTO items (sku) VALUES ('by the old library')", "UPDATE notes SET body = 'last'", "PRAGMA integrity_check")
}
