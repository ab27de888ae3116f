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

// A snapshot in which a table merges otherwise than somebody chose since is refused:
// to import it would change that back.
func TestAgreesAboutPolicies(t *testing.T) {
	a := newNode(t, 1, `CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, n INT)`)
	b := newNode(t, 2, ``)
	a.watch(cdc.WatchOptions{}, "notes")
	from, err := a.Stream(cdc.DefaultDataset).Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []cdc.WatchOptions{{Policy: "row"}, {Policy: "lww", Columns: map[string]string{"n": "max"}}} {
		a.watch(o, "notes")
		if refused := (*schema.Refusal)(nil); !errors.As(a.Agrees(t.Context(), from), &refused) || refused.Remedy == "" {
			t.Errorf("%v: %v", o, a.Agrees(t.Context(), from))
		}
	}
	a.watch(cdc.WatchOptions{Policy: "lww", Columns: map[string]string{"n": "lww"}}, "notes")
	if err := errors.Join(a.Agrees(t.Context(), from), b.Agrees(t.Context(), from)); err != nil {
		t.Error(err)
	}
}
