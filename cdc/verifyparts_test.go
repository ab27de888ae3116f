package cdc_test

import (
	"slices"
	"strings"
	"testing"

	"sqlsync/cdc"
)

func TestTriggersAreVerified(t *testing.T) {
	for _, c := range []struct{ name, do, want string }{
		{"missing", `DROP TRIGGER sqlsync_1_delete`, "trigger_missing items"},
		{"altered", `DROP TRIGGER sqlsync_1_delete; CREATE TRIGGER sqlsync_1_delete AFTER DELETE ON items BEGIN SELECT 1; END`, "trigger_altered items"},
		{"on another table", `DROP TRIGGER sqlsync_1_delete; CREATE TABLE other (x); CREATE TRIGGER sqlsync_1_delete AFTER DELETE ON other BEGIN SELECT 1; END`, "trigger_missing items"},
		{"foreign", `CREATE TRIGGER sqlsync_9_delete AFTER DELETE ON items BEGIN SELECT 1; END`, "trigger_foreign items"},
		{"a second unique index", `CREATE UNIQUE INDEX byname ON items (name); CREATE UNIQUE INDEX bynote ON items (note)`, "trigger_missing items,trigger_missing items"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := pair(t, items, "items")
			a.exec(`INSERT INTO items (id, name, note) VALUES (1, 'one', 1), (2, 'two', 2)`)
			converge(t, a, b)
			a.exec(c.do)
			a.exec(`DELETE FROM items WHERE id = 1`)
			if got := strings.Join(a.verify(), ","); got != c.want {
				t.Fatalf("found %q, want %q", got, c.want)
			}
			a.repair()
			if got := a.verify(); len(got) > 0 {
				t.Errorf("found after: %q", got)
			}
			a.exec(`DELETE FROM items WHERE id = 2`)
			converge(t, a, b)
			if got := b.text(`SELECT count(*) FROM items`); got != "0" {
				t.Errorf("the replica has %s rows", got)
			}
		})
	}
}

func TestRepairDropsForeignTriggers(t *testing.T) {
	a := newNode(t, 1, items)
	a.watch(cdc.WatchOptions{}, "items")
	a.exec(`CREATE TRIGGER sqlsync_1_other AFTER DELETE ON items BEGIN SELECT RAISE(ABORT, 'no'); END`)
	if r := a.repair(); r.Triggers["items"] != 1 {
		t.Errorf("repaired %+v", r)
	}
	a.exec(`INSERT INTO items (id) VALUES (1)`)
	a.exec(`DELETE FROM items`)
}

func TestBatchesAreVerified(t *testing.T) {
	for _, c := range []struct{ name, do, want string }{
		{"damaged", `UPDATE sqlsync_batch SET sealed = CAST(substr(sealed, 1, length(sealed) - 1) || x'ff' AS BLOB) WHERE seq = 2`, "batch_damaged primary 2"},
		{"empty", `UPDATE sqlsync_batch SET sealed = x'' WHERE seq = 2`, "batch_damaged primary 2"},
		{"missing", `DELETE FROM sqlsync_batch WHERE seq = 2`, "batch_missing primary 2"},
		{"last missing", `DELETE FROM sqlsync_batch WHERE seq = 3`, "batch_missing primary 3"},
		{"swapped", `UPDATE sqlsync_batch SET seq = seq + 10; UPDATE sqlsync_batch SET seq = CASE seq WHEN 11 THEN 2 WHEN 12 THEN 1 ELSE 3 END`,
			"batch_damaged primary 1,batch_damaged primary 2"},
		{"beyond the vector", `UPDATE sqlsync_vector SET seq = 2, hash = zeroblob(32)`, "batch_damaged primary 3"},
		{"hash of the vector", `UPDATE sqlsync_vector SET hash = zeroblob(32)`, "batch_damaged primary 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := pair(t, items, "items")
			a.damaged, b.damaged = true, true
			for i := range 3 {
				a.exec(`INSERT INTO items (id) VALUES (?)`, i)
				a.seal()
			}
			b.pull(a)
			for _, n := range []*node{a, b} {
				n.exec(c.do)
				if got := strings.Join(n.verify(), ","); got != c.want {
					t.Errorf("found %q, want %q", got, c.want)
				}
				if r := n.repair(); r.Left != r.Findings || r.Left == 0 {
					t.Errorf("repaired %+v", r)
				}
			}
		})
	}
}

func TestKeptIsVerified(t *testing.T) {
	const users = `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, name)`
	a, b := pair(t, users, "users")
	a.damaged, b.damaged = true, true
	a.exec(`INSERT INTO users VALUES (1, 'm', 'a')`)
	b.exec(`INSERT INTO users VALUES (2, 'm', 'b')`)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.verify(); len(got) > 0 {
			t.Fatalf("found before: %q", got)
		}
	}
	if len(a.conflicts()) == 0 {
		t.Fatal("no conflict to damage")
	}
	a.exec(`UPDATE sqlsync_conflict SET loser = x'ffff'; UPDATE sqlsync_held SET image = x'ffff'`)
	if got := strings.Join(a.verify(), ","); got != "held_row_damaged users id=2,conflict_damaged users" {
		t.Errorf("found %q", got)
	}
	b.exec(`DELETE FROM sqlsync_held`)
	if got := strings.Join(b.verify(), ","); got != "held_row_missing users id=2" {
		t.Errorf("found %q", got)
	}
	if r := b.repair(); r.Left != 1 {
		t.Errorf("repaired %+v", r)
	}
}

func TestDamagedMetadataIsFound(t *testing.T) {
	a := newNode(t, 1, items)
	a.damaged = true
	a.watch(cdc.WatchOptions{}, "items")
	a.exec(`INSERT INTO items (id) VALUES (1), (2)`)
	a.seal()
	a.exec(`UPDATE sqlsync_meta_1 SET birth_origin = 77 WHERE k0 = 2`)
	a.exec(`UPDATE items SET name = 'two' WHERE id = 2`)
	if got := a.verify(); !slices.Equal(got, []string{"metadata_damaged items id=2"}) {
		t.Errorf("found %q", got)
	}
	if _, err := a.Unwatch(t.Context(), []string{"items"}); err != nil {
		t.Fatal(err)
	}
	a.watch(cdc.WatchOptions{}, "items")
	if got := a.verify(); len(got) > 0 {
		t.Errorf("found after watching again: %q", got)
	}
}

func TestNullInKeyIsFound(t *testing.T) {
	a := newNode(t, 1, `CREATE TABLE t (k TEXT PRIMARY KEY, v)`)
	a.damaged = true
	a.watch(cdc.WatchOptions{}, "t")
	a.exec(`INSERT INTO t VALUES (NULL, 1), ('a', 2), (NULL, 3)`)
	if got := a.verify(); !slices.Equal(got, []string{"null_in_key t"}) {
		t.Errorf("found %q", got)
	}
}
