package cdc_test

import (
	"strings"
	"testing"

	"sqlsync/cdc"
)

// A key that was named is compared by its columns' collation everywhere: rows
// that it takes for the same are one row, in all spellings.
func TestNamedKeyWithCollation(t *testing.T) {
	const ddl = `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL COLLATE NOCASE, v); CREATE UNIQUE INDEX i ON t (a)`
	a, b := newNode(t, 1, ddl), newNode(t, 2, ddl)
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{Key: []string{"a"}}, "t")
	}
	a.exec(`INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3)`)
	converge(t, a, b)
	a.exec(`UPDATE t SET a = 'ONE' WHERE id = 1`)
	a.exec(`REPLACE INTO t VALUES (2, 'TWO', 22)`)
	a.exec(`DELETE FROM t WHERE a = 'Three'`)
	a.exec(`INSERT INTO t VALUES (4, 'THREE', 4)`)
	converge(t, a, b)
	b.exec(`UPDATE t SET v = 'b' WHERE a = 'one'`)
	b.exec(`DELETE FROM t WHERE a = 'two'`)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.text(`SELECT group_concat(id || a || v) FROM (SELECT * FROM t ORDER BY id)`); got != "1ONEb,4THREE4" {
			t.Errorf("rows are %s", got)
		}
		if got := n.text(`SELECT count(*) FROM sqlsync_meta_1`); got != "3" {
			t.Errorf("%s rows are remembered, want 3", got)
		}
	}
}

// An application that rebuilds its table so that the key compares otherwise
// has other rows. The table waits until it is watched again.
func TestRebuiltWithAnotherIdentity(t *testing.T) {
	for _, c := range []struct{ from, to, rows, want string }{
		{"TEXT PRIMARY KEY", "TEXT PRIMARY KEY COLLATE NOCASE", `('a', 1), ('b', 2), ('B', 3)`, "'D'4 'A'11 'B'13"},
		{"TEXT PRIMARY KEY COLLATE NOCASE", "TEXT PRIMARY KEY", `('a', 1), ('B', 2), ('c', 3)`, "'D'4 'A'11 'C'13"},
		{"INTEGER PRIMARY KEY", "TEXT PRIMARY KEY", `(1, 1), (2, 2), (3, 3)`, "'D'4 '1'11 '3'13"},
		{"TEXT PRIMARY KEY", "PRIMARY KEY", `('1', 1), ('2', 2), ('x', 3)`, "'D'4 '1'11 'X'13"},
	} {
		t.Run(c.from+" to "+c.to, func(t *testing.T) {
			a, b := pair(t, `CREATE TABLE t (a `+c.from+`, v); CREATE TABLE other (id INTEGER PRIMARY KEY, v)`, "t", "other")
			a.exec(`INSERT INTO t VALUES ` + c.rows)
			converge(t, a, b)
			for _, n := range []*node{a, b} {
				n.exec(`BEGIN; CREATE TABLE new_t (a ` + c.to + `, v); INSERT OR REPLACE INTO new_t SELECT * FROM t ORDER BY v;
					DROP TABLE t; ALTER TABLE new_t RENAME TO t; COMMIT`)
			}
			a.exec(`INSERT INTO t VALUES ('d', 4); UPDATE t SET v = 11 WHERE v = 1; DELETE FROM t WHERE v = 2; INSERT INTO other VALUES (1, 'x')`)
			b.pull(a)
			if got := b.text(`SELECT v FROM other`); got != "x" {
				t.Errorf("the other table has %q", got)
			}
			for _, n := range []*node{a, b} {
				st, err := n.Status(t.Context())
				if err != nil || !strings.Contains(st.Waiting["t"], "watch it again") {
					t.Errorf("%q waits, %v", st.Waiting, err)
				}
				n.exec(`DELETE FROM t WHERE v = 2`) // what was deleted meanwhile is not told
				n.watch(cdc.WatchOptions{}, "t")
			}
			converge(t, a, b)
			b.exec(`UPDATE t SET v = v + 10 WHERE v = 3; UPDATE t SET a = upper(a)`)
			converge(t, a, b)
			for _, n := range []*node{a, b} {
				if got := n.text(`SELECT group_concat(quote(a) || v, ' ') FROM (SELECT * FROM t ORDER BY v)`); got != c.want {
					t.Errorf("rows are %s, want %s", got, c.want)
				}
			}
		})
	}
}
