package cdc_test

import (
	"path/filepath"
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// A snapshot is broken off, and its peer loses what it was telling, or is removed.
// What has come of it is stated again by who has it.
func TestAbandonedSnapshot(t *testing.T) {
	open := func(seed byte) *node {
		n := renewingNode(t, seed, filepath.Join(t.TempDir(), "n.db"), twoTables)
		n.watch(cdc.WatchOptions{}, "items", "other")
		return n
	}
	// begun makes a node that has the first table of another's snapshot.
	begun := func() (a, b *node, backup string) {
		a, b = open(1), open(2)
		b.exec(`INSERT INTO items (id, name) VALUES (1, 'old'), (2, 'old')`)
		converge(t, a, b)
		backup = b.backup()
		b.exec(`INSERT INTO items (id, name) VALUES (3, 'new'); INSERT INTO other VALUES (3, 'new');
			UPDATE items SET note = 'new' WHERE id = 1; DELETE FROM items WHERE id = 2`)
		b.seal()
		b.prune()
		a.knows(b)
		req, err := a.stream().TakeSnapshot(t.Context(), b.Node(), nil)
		var part *wire.SnapshotPart
		if err == nil {
			part, err = b.stream().Snapshot(t.Context(), req, a.wants(cdc.DefaultDataset))
		}
		if err == nil {
			req, err = a.stream().TakeSnapshot(t.Context(), b.Node(), part)
		}
		if err != nil || req == nil {
			t.Fatalf("half of a snapshot: %v, %v", req, err)
		}
		return a, b, backup
	}
	const want = "1new,3"
	t.Run("the peer was put back", func(t *testing.T) {
		a, b, backup := begun()
		b.shut()
		move(t, backup, b.path)
		b = renewingNode(t, 2, b.path, "")
		b.exec(`INSERT INTO other VALUES (4, 'later')`)
		b.seal()
		// The process that began it is another by now.
		a.shut()
		a = renewingNode(t, 1, a.path, "")
		if err := a.stream().Confirm(t.Context(), b.Node(), b.vector()); err != nil {
			t.Fatal(err)
		}
		converge(t, a, b)
		if got := b.text(`SELECT group_concat(id || coalesce(note, '')) FROM (SELECT * FROM items ORDER BY id)`); got != want {
			t.Errorf("rows are %s, want %s", got, want)
		}
	})
	t.Run("the peer is removed", func(t *testing.T) {
		a, b, _ := begun()
		c := open(3)
		if err := a.BanRemote(t.Context(), b.Node().String()); err != nil {
			t.Fatal(err)
		}
		converge(t, a, c)
		if got := c.text(`SELECT group_concat(id || coalesce(note, '')) FROM (SELECT * FROM items ORDER BY id)`); got != want {
			t.Errorf("rows are %s", got)
		}
	})
}
