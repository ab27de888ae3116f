package cdc_test

import (
	"errors"
	"strings"
	"testing"

	"sqlsync/cdc"
	"sqlsync/schema"
)

const stock = `CREATE TABLE stock (id INTEGER PRIMARY KEY, name TEXT, qty INTEGER, price REAL, seen INTEGER, doc JSON, tags TEXT, ref INTEGER REFERENCES stock)`

// stockPair are two nodes with one watched row.
func stockPair(t *testing.T, columns map[string]string) (a, b *node) {
	t.Helper()
	a, b = newNode(t, 1, stock), newNode(t, 2, stock)
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{Columns: columns}, "stock")
	}
	a.exec(`INSERT INTO stock VALUES (1, 'tea', 10, 1.5, 100, '{"a":1,"b":{"x":1}}', 'green', NULL)`)
	converge(t, a, b)
	return a, b
}

func TestPolicies(t *testing.T) {
	unitOnly(t)
	for _, c := range []struct {
		name, column, policy string
		first, second        string // concurrent; the second is later
		want                 string
		conflicts            int
	}{
		{"counter", "qty", "counter", `qty = qty - 2`, `qty = qty - 3`, "5", 0},
		{"counter of reals", "price", "counter", `price = price + 0.25`, `price = price + 0.5`, "2.25", 0},
		{"counter set to no number", "qty", "counter", `qty = qty - 2`, `qty = NULL`, "NULL", 1},
		{"max", "seen", "max", `seen = 120`, `seen = 110`, "120", 0},
		{"min", "price", "min", `price = 0.5`, `price = 1`, "0.5", 0},
		{"json", "doc", "json", `doc = '{"a":2,"b":{"x":1}}'`, `doc = '{"a":1,"b":{"x":1,"y":2}}'`, `'{"a":2,"b":{"x":1,"y":2}}'`, 0},
		{"json, one path", "doc", "json", `doc = '{"a":2,"b":{"x":1}}'`, `doc = '{"a":3,"b":{"x":1}}'`, `'{"a":3,"b":{"x":1}}'`, 1},
		{"sql", "tags", "sql:CASE WHEN length(:local) > length(:remote) THEN :local ELSE :remote END", `tags = 'longest'`, `tags = 'short'`, "'longest'", 1},
		{"sql of both", "tags", "sql:min(:local, :remote) || '+' || max(:local, :remote)", `tags = 'b'`, `tags = 'a'`, "'a+b'", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := stockPair(t, map[string]string{c.column: c.policy})
			a.exec(`UPDATE stock SET ` + c.first)
			a.seal()
			b.exec(`UPDATE stock SET ` + c.second)
			converge(t, a, b)
			for _, n := range []*node{a, b} {
				if got := n.text(`SELECT quote(` + c.column + `) FROM stock`); got != c.want {
					t.Errorf("%s is %s, want %s", c.column, got, c.want)
				}
				if list := n.conflicts(); len(list) != c.conflicts {
					t.Errorf("%d conflicts, want %d: %+v", len(list), c.conflicts, list)
				}
			}
			a.exec(`UPDATE stock SET name = 'black tea'`)
			b.exec(`DELETE FROM stock`)
			converge(t, a, b)
			b.exec(`INSERT INTO stock (id, ` + c.column + `) VALUES (1, 7)`)
			converge(t, a, b)
		})
	}
}

// What a max does not let stand is put back, and listed.
func TestSmallerValueIsPutBack(t *testing.T) {
	a, b := stockPair(t, map[string]string{"seen": "max"})
	b.exec(`UPDATE stock SET seen = 90, name = 'mint'`)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.text(`SELECT seen || name FROM stock`); got != "100mint" {
			t.Errorf("row is %s", got)
		}
	}
	list := b.conflicts()
	if len(list) != 1 || list[0].Loser[0].Value != int64(90) || list[0].Winner[0].Value != int64(100) {
		t.Errorf("conflicts are %+v", list)
	}
	if n := b.text(`SELECT count(*) FROM sqlsync_oplog`); n != "0" {
		t.Errorf("%s marks are left", n)
	}
}

// A policy may come later, with the rows there are.
func TestPolicyComesLater(t *testing.T) {
	a, b := stockPair(t, nil)
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{Columns: map[string]string{"qty": "counter"}}, "stock")
	}
	a.exec(`UPDATE stock SET qty = qty + 1`)
	b.exec(`UPDATE stock SET qty = qty + 2`)
	converge(t, a, b)
	if got := a.text(`SELECT qty FROM stock`); got != "13" {
		t.Errorf("qty is %s, want 13", got)
	}
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{Columns: map[string]string{"qty": "lww"}}, "stock")
	}
	a.exec(`UPDATE stock SET qty = 1`)
	a.seal()
	b.exec(`UPDATE stock SET qty = 2`)
	converge(t, a, b)
	if got := a.text(`SELECT qty FROM stock`); got != "2" {
		t.Errorf("qty is %s, want 2", got)
	}
}

// The table's policy is that of the columns it fits.
func TestPolicyOfTheTable(t *testing.T) {
	a, b := newNode(t, 1, stock), newNode(t, 2, stock)
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{Policy: "counter", Columns: map[string]string{"seen": "max"}}, "stock")
	}
	a.exec(`INSERT INTO stock VALUES (1, 'tea', 10, 1.5, 100, '{}', '', 1)`)
	converge(t, a, b)
	a.exec(`UPDATE stock SET qty = 11, price = 2.5, seen = 101, name = 'a', ref = 2`)
	a.seal()
	b.exec(`UPDATE stock SET qty = 12, price = 3.5, seen = 99 + 1, name = 'b', ref = 3`)
	converge(t, a, b)
	if got := b.text(`SELECT qty || ' ' || price || ' ' || seen || ' ' || name || ' ' || ref FROM stock`); got != "13 4.5 101 b 3" {
		t.Errorf("row is %s", got)
	}
}

// A table that cannot merge so is refused by name, and nothing has changed.
func TestPoliciesThatDoNotFit(t *testing.T) {
	n := newNode(t, 1, stock+`; CREATE TABLE words (w TEXT PRIMARY KEY, x TEXT)`)
	for _, c := range []struct {
		table string
		o     cdc.WatchOptions
		cause string
	}{
		{"stock", cdc.WatchOptions{Columns: map[string]string{"name": "counter"}}, "column name cannot be merged by counter"},
		{"stock", cdc.WatchOptions{Columns: map[string]string{"qty": "json"}}, "column qty cannot be merged by json"},
		{"stock", cdc.WatchOptions{Columns: map[string]string{"id": "max"}}, "in the key"},
		{"stock", cdc.WatchOptions{Columns: map[string]string{"nix": "max"}}, `no column "nix"`},
		{"stock", cdc.WatchOptions{Policy: "row", Columns: map[string]string{"qty": "max"}}, "merged whole"},
		{"words", cdc.WatchOptions{Policy: "counter"}, "none of its columns"},
		{"stock", cdc.WatchOptions{IDs: "local"}, "only added"},
		{"stock", cdc.WatchOptions{IDs: "range"}, "AUTOINCREMENT"},
		{"words", cdc.WatchOptions{IDs: "rekey"}, "INTEGER"},
	} {
		v, err := n.Watch(t.Context(), []string{c.table}, c.o)
		var refusal *schema.Refusal
		if err != nil || len(v) != 1 || !errors.As(v[0].Refused, &refusal) || !strings.Contains(refusal.Error(), c.cause) || refusal.Hint() == "" {
			t.Errorf("%+v: %+v, %v; want a refusal with %q", c.o, v, err, c.cause)
		}
	}
	for _, policy := range []string{"newest", "sql:", "sql:nosuch(:local)", "sql:random()", "sql::local +", "sql:(SELECT 1)", "sql:1; DROP TABLE x", "sql:1, 2", "sql:1) --"} {
		if _, err := n.Watch(t.Context(), []string{"stock"}, cdc.WatchOptions{Policy: policy}); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(policy, "sql:")) {
			t.Errorf("policy %q: %v", policy, err)
		}
	}
	if got := n.text(`SELECT count(*) FROM sqlite_master WHERE type = 'trigger'`); got != "0" {
		t.Errorf("%s triggers are left", got)
	}
}

// The log shows the columns of tables and nothing that travels beside them.
func TestLogShowsNoStates(t *testing.T) {
	a, _ := stockPair(t, map[string]string{"qty": "counter", "doc": "json"})
	a.exec(`UPDATE stock SET qty = 11, doc = '{}'`)
	a.seal()
	err := a.Log(t.Context(), cdc.Cursor{Dataset: cdc.DefaultDataset}, func(e *cdc.Entry) error {
		for _, c := range e.Columns {
			if strings.Contains(c, "\x00") {
				t.Errorf("%s has column %q", e.Change.Op, c)
			}
		}
		if e.Change.Op != 3 && len(e.Columns) != len(e.Change.Values) {
			t.Errorf("%d columns, %d values", len(e.Columns), len(e.Change.Values))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
