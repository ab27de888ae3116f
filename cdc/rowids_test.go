package cdc_test

import "testing"

// What REPLACE removes by a rowid goes on peers too, from the first time that
// one is given.
func TestRowsRemovedByTheirRowid(t *testing.T) {
	for _, c := range []struct{ name, first, then, want string }{
		{"insert", `REPLACE INTO t (rowid, k, v) VALUES (1, 'n', 1)`, `REPLACE INTO t (rowid, k, v) VALUES (2, 'o', 2)`, "c,n,o"},
		{"update", `UPDATE OR REPLACE t SET rowid = 1 WHERE k = 'c'`, `UPDATE OR REPLACE t SET oid = 2 WHERE k = 'c'`, "c"},
		{"in one transaction", `BEGIN; REPLACE INTO t (rowid, k) VALUES (1, 'n'); REPLACE INTO t (rowid, k) VALUES (1, 'o'); DELETE FROM t WHERE k = 'o'; INSERT INTO t (k) VALUES ('a'); COMMIT`,
			`DELETE FROM t WHERE k = 'c'`, "a,b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := pair(t, `CREATE TABLE t (k TEXT PRIMARY KEY, v); INSERT INTO t VALUES ('a', 1), ('b', 2), ('c', 3)`, "t")
			converge(t, a, b)
			if names := a.text(`SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%FROM "t"%'`); names != "0" {
				t.Errorf("%s triggers name their table", names)
			}
			for _, q := range []string{c.first, c.then} {
				a.exec(q)
				converge(t, a, b)
			}
			for _, n := range []*node{a, b} {
				if got := n.text(`SELECT group_concat(k) FROM (SELECT k FROM t ORDER BY k)`); got != c.want {
					t.Errorf("rows are %s, want %s", got, c.want)
				}
			}
			if names := a.text(`SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%FROM "t"%'`); names != "2" {
				t.Errorf("%s triggers look for rows by their rowid, want 2", names)
			}
			if n := len(a.conflicts()) + len(b.conflicts()); n > 0 {
				t.Errorf("%d conflicts", n)
			}
		})
	}
}
