package cdc_test

import (
	"fmt"
	"strings"
	"testing"

	"sqlsync/cdc"
)

// A table may have as many columns as a result has, so its rows cannot be read
// together with anything else.
func TestWidestTable(t *testing.T) {
	unitOnly(t)
	for name, key := range map[string]string{
		"exact key":    `id INTEGER PRIMARY KEY`,
		"inexact key":  `id TEXT COLLATE NOCASE PRIMARY KEY`,
		"two in a key": `id TEXT COLLATE NOCASE, c0 NUMERIC DEFAULT 7, PRIMARY KEY (id, c0)`,
	} {
		for _, width := range []int{1993, 2000} {
			t.Run(fmt.Sprintf("%s of %d", name, width), func(t *testing.T) {
				first, rest, _ := strings.Cut(key, ", PRIMARY")
				columns := []string{first}
				for i := range width - len(strings.Split(first, ",")) {
					columns = append(columns, fmt.Sprintf("c%d", i+1))
				}
				if rest != "" {
					columns = append(columns, "PRIMARY"+rest)
				}
				schema := `CREATE TABLE t (` + strings.Join(columns, ", ") + `)`
				a, b := newNode(t, 1, schema+`; INSERT INTO t (id, c1, c1900) VALUES (1, 'one', 1900)`), newNode(t, 2, schema)
				a.watch(cdc.WatchOptions{}, "t")
				b.watch(cdc.WatchOptions{}, "t")
				a.exec(`INSERT INTO t (id, c1) WITH RECURSIVE n (i) AS (VALUES (2) UNION ALL SELECT i + 1 FROM n WHERE i < 150) SELECT i, 'many' FROM n`)
				b.pull(a)
				b.exec(`UPDATE t SET c1900 = 'last' WHERE id = 1; DELETE FROM t WHERE id = 2; UPDATE t SET c2 = 1 WHERE id = 3`)
				a.exec(`UPDATE t SET c2 = 2 WHERE id = 3`)
				b.pull(a)
				a.pull(b)
				a.pull(b)
				for _, n := range []*node{a, b} {
					if got := n.text(`SELECT count(*) || ' ' || (SELECT c1 || c1900 FROM t WHERE id = 1) FROM t`); got != "149 onelast" {
						t.Errorf("got %s", got)
					}
					if troubles := n.Troubles(); troubles != nil {
						t.Errorf("troubles: %v", troubles)
					}
				}
				if c2 := a.text(`SELECT c2 FROM t WHERE id = 3`); c2 != b.text(`SELECT c2 FROM t WHERE id = 3`) {
					t.Errorf("a has %s, b another", c2)
				}
			})
		}
	}
}
