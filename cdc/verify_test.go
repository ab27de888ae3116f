package cdc_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"sqlsync/cdc"
)

// verify returns what is found, a line each.
func (n *node) verify(tables ...string) []string {
	n.t.Helper()
	list := []string{}
	v, err := n.Verify(n.t.Context(), cdc.VerifyOptions{Tables: tables, Found: collect(&list)})
	if err != nil {
		n.t.Fatal(err)
	}
	if int(v.Findings) != len(list) {
		n.t.Errorf("%d findings are counted, %d told", v.Findings, len(list))
	}
	return list
}

func (n *node) repair(tables ...string) *cdc.Repaired {
	n.t.Helper()
	r, err := n.Repair(n.t.Context(), cdc.VerifyOptions{Tables: tables})
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

// checkVerified runs after every test.
func (n *node) checkVerified() {
	n.t.Helper()
	var found []string
	_, err := n.Verify(context.Background(), cdc.VerifyOptions{Found: collect(&found)})
	if err != nil || len(found) > 0 && !n.damaged {
		n.t.Errorf("verify: %q, %v", found, err)
	}
}

func collect(list *[]string) func(cdc.Finding) error {
	return func(f cdc.Finding) error {
		s := string(f.Kind)
		if f.Table != "" {
			s += " " + f.Table
		}
		for _, k := range f.Key {
			s += fmt.Sprintf(" %s=%v", k.Name, k.Value)
		}
		if f.Seq > 0 {
			s += fmt.Sprintf(" %s %d", f.Dataset, f.Seq)
		}
		*list = append(*list, s)
		return nil
	}
}

// past writes past the capture: the triggers are as before, afterwards.
func (n *node) past(statements ...string) {
	n.t.Helper()
	rows, err := n.app.Query(`SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'sqlsync%'`)
	if err != nil {
		n.t.Fatal(err)
	}
	script := []string{"BEGIN"}
	var back []string
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			n.t.Fatal(err)
		}
		script, back = append(script, "DROP TRIGGER "+name), append(back, text)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		n.t.Fatal(err)
	}
	n.exec(strings.Join(slices.Concat(script, statements, back, []string{"COMMIT"}), ";\n"))
}

func TestRowsPastTheCapture(t *testing.T) {
	unitOnly(t)
	const composite = `CREATE TABLE t (v, b TEXT COLLATE NOCASE, a, d DATETIME, PRIMARY KEY (a, b)) WITHOUT ROWID`
	for _, c := range []struct {
		name, schema, table string
		before, past        []string
		want                []string
	}{
		{"nothing", items, "items", []string{`INSERT INTO items VALUES (1, 'one', 1, x'00')`}, nil, nil},
		{"inserted, updated, deleted", items, "items", []string{`INSERT INTO items VALUES (1, 'one', 1, NULL), (2, 'two', 2, NULL), (3, 'three', 3, NULL)`},
			[]string{`INSERT INTO items VALUES (4, 'four', 4, NULL)`, `UPDATE items SET name = 'TWO' WHERE id = 2`, `DELETE FROM items WHERE id = 3`},
			[]string{"differing_row items id=2", "row_not_captured items id=4", "missing_row items id=3"}},
		{"only the type", items, "items", []string{`INSERT INTO items VALUES (1, 'one', 1, 1)`}, []string{`UPDATE items SET note = 1.0`}, []string{"differing_row items id=1"}},
		{"inserted after a delete", items, "items", []string{`INSERT INTO items VALUES (1, 'one', 1, 1)`, `DELETE FROM items`}, []string{`INSERT INTO items VALUES (1, 'ONE', 1, 1)`},
			[]string{"row_not_captured items id=1"}},
		{"everything deleted", items, "items", []string{`INSERT INTO items (id) VALUES (1), (2)`}, []string{`DELETE FROM items`}, []string{"missing_row items id=1", "missing_row items id=2"}},
		{"composite key", composite, "t", []string{`INSERT INTO t VALUES (1, 'x', 1, 'd'), (2, 'y', 1.5, 'd'), (3, 'z', '1', 'd'), (4, 'x', x'31', 'd')`},
			[]string{`UPDATE t SET b = 'X', v = 5 WHERE a = 1`, `DELETE FROM t WHERE a = '1'`, `UPDATE t SET d = '2024-01-02' WHERE a = x'31'`},
			[]string{"differing_row t a=1 b=X", "differing_row t a=[49] b=x", "missing_row t a=1 b=z"}},
		{"text key of a rowid table", `CREATE TABLE t (k TEXT PRIMARY KEY, v)`, "t", []string{`INSERT INTO t VALUES ('a', 1), ('b', 2)`},
			[]string{`UPDATE t SET k = 'c' WHERE k = 'b'`}, []string{"row_not_captured t k=c", "missing_row t k=b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := pair(t, c.schema, c.table)
			for _, q := range c.before {
				a.exec(q)
				converge(t, a, b)
			}
			if got := a.verify(); len(got) > 0 {
				t.Fatalf("found before: %q", got)
			}
			a.past(c.past...)
			if got := a.verify(); !slices.Equal(got, c.want) {
				t.Fatalf("found %q, want %q", got, c.want)
			}
			if differing, err := a.Differing(t.Context()); err != nil || int(differing[c.table]) != len(c.want) {
				t.Errorf("noted %v, %v", differing, err)
			}
			if r := a.repair(); r.Rows[c.table] != len(c.want) || r.Left > 0 {
				t.Errorf("repaired %+v", r)
			}
			for _, n := range []*node{a, b} {
				if got := n.verify(); len(got) > 0 {
					t.Errorf("found after: %q", got)
				}
			}
			if r := a.repair(); r.Findings > 0 {
				t.Errorf("the second run repaired %+v", r)
			}
			if differing, err := a.Differing(t.Context()); err != nil || len(differing) > 0 {
				t.Errorf("still noted %v, %v", differing, err)
			}
			converge(t, a, b)
			if got := b.verify(); len(got) > 0 {
				t.Errorf("found at the replica: %q", got)
			}
		})
	}
}

// Ranges end anywhere, also between the rows and metadata without rows.
func TestManyRanges(t *testing.T) {
	unitOnly(t)
	a, b := pair(t, items, "items")
	a.exec(`WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000) INSERT INTO items (id, name) SELECT i, 'item ' || i FROM n`)
	converge(t, a, b)
	a.past(`DELETE FROM items WHERE id % 3 = 0`, `UPDATE items SET qty = 9 WHERE id % 3 = 1`)
	if got := a.verify(); len(got) != 4000 {
		t.Fatalf("found %d, want 4000", len(got))
	}
	a.repair()
	if got := a.verify(); len(got) > 0 {
		t.Errorf("found after: %d", len(got))
	}
	converge(t, a, b)
}

func TestRowThatCannotBeDeletedIsNoFinding(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id) VALUES (1)`)
	converge(t, a, b)
	b.exec(`CREATE TRIGGER stay BEFORE DELETE ON items BEGIN SELECT RAISE(ABORT, 'stay'); END`)
	a.exec(`DELETE FROM items`)
	b.pull(a)
	if got := b.verify(); len(got) > 0 {
		t.Errorf("found %q", got)
	}
}

func TestOnlySomeTables(t *testing.T) {
	a := newNode(t, 1, items+`; CREATE TABLE other (id INTEGER PRIMARY KEY)`)
	a.damaged = true
	a.watch(cdc.WatchOptions{}, "items", "other")
	a.past(`INSERT INTO items (id) VALUES (1)`, `INSERT INTO other VALUES (1)`)
	if got := a.verify("ITEMS"); !slices.Equal(got, []string{"row_not_captured items id=1"}) {
		t.Errorf("found %q", got)
	}
	a.repair("items")
	if got := a.verify(); !slices.Equal(got, []string{"row_not_captured other id=1"}) {
		t.Errorf("found %q", got)
	}
	if _, err := a.Verify(t.Context(), cdc.VerifyOptions{Tables: []string{"nosuch"}}); !errors.Is(err, cdc.ErrNotWatched) {
		t.Errorf("error is %v", err)
	}
}

// Whatever is written while it runs is no finding.
func TestWritesMeanwhileAreNoFindings(t *testing.T) {
	a, b := pair(t, items+`; CREATE TABLE t (k TEXT PRIMARY KEY COLLATE NOCASE, v)`, "items", "t")
	a.exec(`PRAGMA journal_mode = WAL`)
	a.exec(`WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO items (id, name) SELECT i, 'item' FROM n`)
	a.exec(`INSERT INTO t SELECT 'k' || id, id FROM items`)
	converge(t, a, b)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := w; ctx.Err() == nil; i += 2 {
				for _, q := range []string{
					`UPDATE items SET qty = qty + 1 WHERE id BETWEEN ?1 % 5000 AND ?1 % 5000 + 20`, `DELETE FROM items WHERE id = (?1 * 7) % 5000`,
					`INSERT OR REPLACE INTO items (id, name) VALUES ((?1 * 13) % 6000, ?1)`, `UPDATE t SET k = 'K' || v WHERE v = ?1 % 5000`, `DELETE FROM t WHERE v = (?1 * 3) % 5000`,
				} {
					if _, err := a.app.Exec(q, i); err != nil {
						t.Errorf("%s: %v", q, err)
						return
					}
				}
			}
		})
	}
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	for range rounds {
		if got := a.verify(); len(got) > 0 {
			t.Errorf("found %q", got[:min(len(got), 10)])
		}
		b.pull(a)
		if got := b.verify(); len(got) > 0 {
			t.Errorf("found at the replica %q", got[:min(len(got), 10)])
		}
	}
	stop()
	writers.Wait()
	converge(t, a, b)
}
