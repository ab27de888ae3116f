package cdc

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sqlsync/merge"
	"sqlsync/wire"
)

// follows opens a store that follows and has the log of a database to itself.
func follows(t *testing.T) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	if err := CreateFile(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Path: path, Node: merge.NodeID{1}, Sign: func(wire.Hash) []byte { return nil },
		Verify: func(merge.NodeID, wire.Hash, []byte) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.durable.later.Store(true)
	return s
}

// What could not be synced is told to nobody, until it could.
func TestWhatIsNotDurableIsNotTold(t *testing.T) {
	s := follows(t)
	d := s.Stream(DefaultDataset)
	for i, mode := range []string{"DELETE", "WAL"} {
		if _, err := s.w.Exec(`PRAGMA journal_mode = ` + mode); err != nil {
			t.Fatal(err)
		}
		s.durable.not.Store(true)
		if _, err := d.Vector(t.Context()); !errors.Is(err, errNotDurable) {
			t.Errorf("%s: a vector is told: %v", mode, err)
		}
		if err := s.peek(t.Context(), func(*tx) error { return nil }); !errors.Is(err, errNotDurable) {
			t.Errorf("%s: what a transaction reads is told: %v", mode, err)
		}
		if err := s.Seal(t.Context(), DefaultDataset); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Vector(t.Context()); err != nil {
			t.Errorf("%s: a vector is not told: %v", mode, err)
		}
		if got, err := s.w.Int(`PRAGMA synchronous`); err != nil || got != int64(2-i) {
			t.Errorf("%s: synchronous is %d, want %d (%v)", mode, got, 2-i, err)
		}
	}
}

// The sync of a transaction that another one follows is waited for by whoever is
// told of it. Where it fails, the next transaction makes up for it.
func TestWhatIsSyncedBesideIsNotToldBefore(t *testing.T) {
	s := follows(t)
	d := s.Stream(DefaultDataset)
	if _, err := s.w.Exec(`PRAGMA journal_mode = WAL`); err != nil {
		t.Fatal(err)
	}
	write := func(followed bool) {
		t.Helper()
		if err := s.write(t.Context(), func(x *tx) error {
			x.followed = followed
			_, err := x.Exec(`UPDATE sqlsync_node SET generation = generation + 1`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	write(false)
	if !s.durable.placed {
		t.Fatal("the log's own connection has not synced it")
	}
	write(true)
	if _, err := d.Vector(t.Context()); err != nil { // which opens the log, or would make another
		t.Fatal(err)
	}
	log := s.Path() + "-wal"
	if err := os.Rename(log, log+".away"); err != nil {
		t.Fatal(err)
	}
	s.tail.add(map[string][]wire.Held{DefaultDataset: {{Pos: 1, Seq: 1, Sealed: &wire.Sealed{}}}})
	write(true)
	if _, err := d.Vector(t.Context()); !errors.Is(err, errNotDurable) {
		t.Errorf("a vector is told: %v", err)
	}
	if _, err := d.After(t.Context(), 0, 1); !errors.Is(err, errNotDurable) {
		t.Errorf("a batch is given: %v", err)
	}
	if err := os.Rename(log+".away", log); err != nil {
		t.Fatal(err)
	}
	write(true)
	if _, err := d.Vector(t.Context()); err != nil {
		t.Errorf("a vector is not told: %v", err)
	}
	if list, err := d.After(t.Context(), 0, 1); err != nil || len(list) != 1 {
		t.Errorf("gives %d batches, want 1; %v", len(list), err)
	}
}
