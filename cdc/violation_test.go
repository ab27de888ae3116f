package cdc_test

import (
	"testing"

	"sqlsync/cdc"
)

func (n *node) violations() int64 {
	n.t.Helper()
	st, err := n.Status(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return st.Violations
}

// What no node broke and the merge does is applied, told, and forgotten once
// it is mended.
func TestViolations(t *testing.T) {
	const schema = `CREATE TABLE par (id INTEGER PRIMARY KEY, name TEXT);
		CREATE TABLE chd (id INTEGER PRIMARY KEY, p INTEGER REFERENCES par);
		CREATE TABLE chk (id INTEGER PRIMARY KEY, lo INT, hi INT, CONSTRAINT ordered CHECK (lo <= hi), CHECK (hi < 100))`
	a, b := pair(t, schema, "par", "chd", "chk")
	a.exec(`INSERT INTO par VALUES (1, 'p'); INSERT INTO chk VALUES (1, 0, 10); INSERT INTO chd VALUES (7, 1)`)
	converge(t, a, b)
	a.exec(`UPDATE chk SET lo = 9; DELETE FROM chd; DELETE FROM par`)
	b.exec(`UPDATE chk SET hi = 3; INSERT INTO chd VALUES (1, 1)`)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.violations(); got != 2 {
			t.Errorf("%d violations, want 2", got)
		}
		kinds := map[string]int{}
		for _, c := range n.conflicts() {
			kinds[c.Kind]++
		}
		if kinds["check"] != 1 || kinds["foreign_key"] != 1 {
			t.Errorf("listed are %v", kinds)
		}
	}
	a.exec(`PRAGMA ignore_check_constraints = 1; UPDATE chk SET hi = 20; INSERT INTO par VALUES (1, 'again')`)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.violations(); got != 0 {
			t.Errorf("%d violations after they were mended", got)
		}
	}
}

// A child that comes before its parent is no violation once both are there.
func TestChildBeforeParent(t *testing.T) {
	const schema = `CREATE TABLE chd (id INTEGER PRIMARY KEY, p INTEGER REFERENCES par); CREATE TABLE par (id INTEGER PRIMARY KEY)`
	a, b := pair(t, schema, "chd", "par")
	a.exec(`INSERT INTO par VALUES (1); INSERT INTO chd VALUES (1, 1), (2, 1)`)
	converge(t, a, b)
	if got := b.violations(); got != 0 {
		t.Errorf("%d violations", got)
	}
}

// A row whose key has a NULL cannot be told to others, and is told of here.
func TestNullInKeyIsTold(t *testing.T) {
	a, b := pair(t, `CREATE TABLE k (id TEXT PRIMARY KEY, a)`, "k")
	a.exec(`INSERT INTO k VALUES (NULL, 1), ('x', 2)`)
	exchange(a, b)
	if st, err := a.Status(t.Context()); err != nil || len(st.NullKeys) != 1 || st.Violations != 1 {
		t.Errorf("status is %+v, %v", st, err)
	}
	a.exec(`UPDATE k SET id = 'y' WHERE id IS NULL`)
	converge(t, a, b)
	if st, err := a.Status(t.Context()); err != nil || len(st.NullKeys) != 0 || st.Violations != 0 {
		t.Errorf("status is %+v, %v", st, err)
	}
}

// A parent that merging takes out of the table leaves orphans on the node that
// wrote both, and a reference may be part of a key.
func TestOrphansOfHiddenAndDeletedParents(t *testing.T) {
	const ddl = `CREATE TABLE par (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
		CREATE TABLE lines (p INTEGER REFERENCES par, n INT, PRIMARY KEY (p, n))`
	a, b := pair(t, ddl, "par", "lines")
	a.exec(`INSERT INTO par VALUES (1, 'x'), (5, 'five')`)
	converge(t, a, b)
	a.exec(`INSERT INTO par VALUES (2, 'y')`)
	a.seal()
	b.exec(`INSERT INTO par VALUES (3, 'y'); INSERT INTO lines VALUES (3, 1), (5, 1)`)
	b.seal()
	a.exec(`DELETE FROM par WHERE id = 5`)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.violations(); got != 2 {
			t.Errorf("%d violations, want those of lines 3 and 5", got)
		}
		for _, c := range n.conflicts() {
			if c.Kind == "foreign_key" && (c.Constraint == "" || c.WinnerVersion.Origin != b.Node()) {
				t.Errorf("listed is %+v", c)
			}
		}
	}
	a.exec(`UPDATE par SET name = 'z' WHERE id = 2; INSERT INTO par VALUES (5, 'again')`)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.violations(); got != 0 {
			t.Errorf("%d violations after they were mended", got)
		}
	}
}

// However many rows refer to what is not here, none is told of any more once it
// came.
func TestManyViolationsAreMended(t *testing.T) {
	const schema = `CREATE TABLE chd (id INTEGER PRIMARY KEY, p INTEGER REFERENCES par); CREATE TABLE par (id INTEGER PRIMARY KEY)`
	a, b := pair(t, schema, "chd")
	a.exec(`INSERT INTO par WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1300) SELECT i FROM n; INSERT INTO chd SELECT id, id FROM par`)
	b.pull(a)
	if got := b.violations(); got != 1300 {
		t.Errorf("%d violations, want 1300", got)
	}
	a.watch(cdc.WatchOptions{}, "par")
	b.watch(cdc.WatchOptions{}, "par")
	b.pull(a)
	if got := b.violations(); got != 0 {
		t.Errorf("%d violations after the parents came", got)
	}
}
