package e2e_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Databases as well-known applications make them are watched whole, written to
// on two nodes and migrated as those applications do it. In the end both are
// what plain SQLite makes of the same statements, in every row and in the text
// of the schema.
func TestApplications(t *testing.T) {
	needSqlite3(t)
	files, err := filepath.Glob(filepath.Join("..", "fixtures", "applications", "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatal("no applications", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".sql"), func(t *testing.T) {
			t.Parallel()
			do := sections(t, file)
			dir := t.TempDir()
			a, b, plain := newNode(t, dir, "a"), newNode(t, dir, "b"), newNode(t, dir, "plain")
			for _, n := range []*node{a, b} {
				n.sqlite(do["schema"])
				n.must("watch", "--all")
			}
			introduce(a, b)
			a.serve()
			b.serve()
			a.sqlite(do["a"])
			waitEqual(t, a, b)
			b.sqlite(do["b"])
			waitEqual(t, a, b)
			a.sqlite(do["alter"])
			b.sqlite(do["alter"])
			if again := do["watch"]; again != "" { // a table that was renamed is watched by its new name
				a.must("watch", strings.TrimSpace(again))
				b.must("watch", strings.TrimSpace(again))
			}
			a.sqlite(do["a2"])
			waitEqual(t, a, b)
			b.sqlite(do["b2"])
			waitEqual(t, a, b)
			for _, part := range []string{"schema", "a", "b", "alter", "a2", "b2"} {
				plain.sqlite(do[part])
			}
			for _, n := range []*node{a, b} {
				n.must("verify")
				n.stop()
				if got := strings.TrimSpace(n.must("conflicts", "list", "--json")); got != "[]" {
					t.Errorf("%s: conflicts %s", n.name, got)
				}
				n.must("uninstall", "--yes")
				if got, want := dump(n), dump(plain); got != want {
					t.Errorf("%s is\n%s\nwithout sqlsync\n%s", n.name, got, want)
				}
			}
		})
	}
}

// sections are the parts of a file, by the names in lines that begin with "-- @".
func sections(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := make(map[string]string)
	for _, part := range strings.Split("\n"+string(text), "\n-- @")[1:] {
		name, sql, _ := strings.Cut(part, "\n")
		parts[name] = sql
	}
	return parts
}

// dump is the schema, and every row but those of full-text indexes, whose shape
// tells in how many steps they were made, and of the last ids given.
func dump(n *node) string {
	n.tb.Helper()
	schema := n.sqlite(`SELECT type, name, sql FROM sqlite_master ORDER BY type, name; PRAGMA integrity_check; PRAGMA user_version;`)
	var rows []string
	for _, line := range strings.Split(n.sqlite(`.dump`), "\n") {
		if strings.HasPrefix(line, "INSERT INTO ") && !strings.Contains(line, "_fts") && !strings.HasPrefix(line, "INSERT INTO sqlite_sequence") {
			rows = append(rows, line)
		}
	}
	slices.Sort(rows)
	return schema + "\n" + strings.Join(rows, "\n")
}
