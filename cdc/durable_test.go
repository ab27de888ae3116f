package cdc

import (
	"errors"
	"path/filepath"
	"testing"

	"sqlsync/merge"
	"sqlsync/wire"
)

// What could not be synced is told to nobody, until it could.
func TestWhatIsNotDurableIsNotTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := CreateFile(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Path: path, Node: merge.NodeID{1}, Sign: func(wire.Hash) []byte { return nil },
		Verify: func(merge.NodeID, wire.Hash, []byte) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := s.Stream(DefaultDataset)
	s.durable.later.Store(true)
	for i, mode := range []string{"DELETE", "WAL"} {
		if _, err := s.w.Exec(`PRAGMA journal_mode = ` + mode); err != nil {
			t.Fatal(err)
		}
		s.durable.not = true
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
