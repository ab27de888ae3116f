package cdc_test

import (
	"errors"
	"testing"

	"sqlsync/cdc"
	"sqlsync/schema"
)

// A trigger comes along although it names a table that is made after its own.
func TestCreateTriggerOnLaterTable(t *testing.T) {
	a := newNode(t, 1, `CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);
		CREATE TABLE audit (note INTEGER PRIMARY KEY, was TEXT); CREATE TABLE elsewhere (id);
		CREATE TRIGGER edited AFTER UPDATE ON notes BEGIN INSERT OR REPLACE INTO audit VALUES (OLD.id, OLD.body); END;
		CREATE TRIGGER stray AFTER DELETE ON notes BEGIN INSERT INTO elsewhere VALUES (OLD.id); END`)
	b := newNode(t, 2, ``)
	a.watch(cdc.WatchOptions{}, "notes", "audit")
	from, err := a.Stream(cdc.DefaultDataset).Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	skipped, err := b.Create(t.Context(), cdc.DefaultDataset, from)
	if err != nil {
		t.Fatal(err)
	}
	if len(skipped) != 1 || b.text(`SELECT group_concat(name) FROM sqlite_master WHERE type = 'trigger' AND name NOT LIKE 'sqlsync%'`) != "edited" {
		t.Errorf("left out: %q", skipped)
	}
	b.exec(`INSERT INTO notes VALUES (1, 'x'); UPDATE notes SET body = 'y'`)
	a.pull(b)
	b.pull(a)
	if got := a.text(`SELECT body || was FROM notes JOIN audit ON note = id`); got != "yx" {
		t.Errorf("the first node has %q", got)
	}
}

// A table that is watched already stays as somebody here chose to watch it: it
// does not take the policy that it had in an old snapshot.
func TestCreateLeavesAWatchedTable(t *testing.T) {
	a := newNode(t, 1, `CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, n INT)`)
	a.watch(cdc.WatchOptions{}, "notes")
	from, err := a.Stream(cdc.DefaultDataset).Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []cdc.WatchOptions{{Policy: "row"}, {Policy: "lww", Columns: map[string]string{"n": "max"}}} {
		a.watch(o, "notes")
		_, err := a.Create(t.Context(), cdc.DefaultDataset, from)
		if refused := (*schema.Refusal)(nil); !errors.As(err, &refused) || refused.Remedy == "" {
			t.Errorf("%v: %v", o, err)
		}
		if list, err := a.Tables(t.Context()); err != nil || list[0].Policy == "lww" {
			t.Errorf("%v: it merges by %q, %v", o, list[0].Policy, err)
		}
	}
	a.watch(cdc.WatchOptions{Policy: "lww", Columns: map[string]string{"n": "lww"}}, "notes")
	if _, err := a.Create(t.Context(), cdc.DefaultDataset, from); err != nil {
		t.Error(err)
	}
}
