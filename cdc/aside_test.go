package cdc_test

import (
	"strings"
	"testing"

	"sqlsync/cdc"
)

// A table that cannot be sealed waits, with its marks; those beside it, and
// what peers send for them, do not.
func TestOneTableThatCannotBeSealed(t *testing.T) {
	a := newNode(t, 1, `CREATE TABLE sick (id INTEGER PRIMARY KEY, v); CREATE TABLE well (id INTEGER PRIMARY KEY, v);
		CREATE TABLE other (id INTEGER PRIMARY KEY, v); INSERT INTO sick VALUES (1, 'a')`)
	b := newNode(t, 2, `CREATE TABLE sick (id INTEGER PRIMARY KEY, v); CREATE TABLE well (id INTEGER PRIMARY KEY, v)`)
	a.watch(cdc.WatchOptions{}, "sick", "well")
	a.watch(cdc.WatchOptions{Dataset: "second"}, "other")
	b.watch(cdc.WatchOptions{}, "sick", "well")
	b.pull(a)
	a.exec(`UPDATE sqlsync_meta_1 SET birth_origin = 99`)

	a.exec(`INSERT INTO well VALUES (1, 1); UPDATE sick SET v = 'b'; INSERT INTO other VALUES (1, 1); INSERT INTO well VALUES (2, 2)`)
	for _, ds := range []string{cdc.DefaultDataset, "second"} {
		if err := a.Seal(t.Context(), ds); err != nil {
			t.Fatal(err)
		}
	}
	troubles := a.Troubles()
	if len(troubles) != 1 || troubles[0].What != "seal sick" || !strings.Contains(troubles[0].Err.Error(), "metadata is damaged") {
		t.Fatalf("troubles: %v", troubles)
	}
	if got := a.text(`SELECT group_concat(table_id) FROM sqlsync_oplog_1`); got != "1" {
		t.Errorf("marks of tables %s are left, want the sick one's", got)
	}
	if got := a.text(`SELECT count(*) FROM sqlsync_oplog_2`); got != "0" {
		t.Errorf("%s marks are left in the other dataset", got)
	}
	b.exec(`INSERT INTO sick VALUES (2, 'from b'); INSERT INTO well VALUES (3, 3)`)
	a.pull(b)
	b.pull(a)
	if got := a.text(`SELECT (SELECT count(*) FROM well) || ' ' || (SELECT count(*) FROM sick)`); got != "3 1" {
		t.Errorf("a has %s rows, want 3 in well, and 1 in sick, which waits", got)
	}
	if got := b.text(`SELECT (SELECT count(*) FROM well) || ' ' || (SELECT v FROM sick WHERE id = 1)`); got != "3 a" {
		t.Errorf("b has %s", got)
	}

	// It is tried again when the schema has changed, or some time has passed.
	a.exec(`UPDATE sqlsync_meta_1 SET birth_origin = 1; CREATE TABLE change (x)`)
	a.seal()
	if troubles := a.Troubles(); len(troubles) != 0 {
		t.Errorf("troubles: %v", troubles)
	}
	b.pull(a)
	for _, n := range []*node{a, b} {
		if got := n.text(`SELECT group_concat(v) FROM sick`); got != "b,from b" {
			t.Errorf("sick has %s", got)
		}
	}
}
