package cdc_test

import (
	"errors"
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// A batch that is torn or flipped in the file is given to nobody: a peer that
// lacks it gets a snapshot, and goes on with the chain behind it.
func TestDamagedBatchIsPassedOver(t *testing.T) {
	for name, damage := range map[string]string{
		"torn":    `UPDATE sqlsync_batch SET sealed = substr(sealed, 1, length(sealed) / 2) WHERE pos = 3`,
		"flipped": `UPDATE sqlsync_batch SET sealed = CAST(substr(sealed, 1, length(sealed) - 30) || x'00' || substr(sealed, length(sealed) - 28) AS BLOB) WHERE pos = 3`,
		"last":    `UPDATE sqlsync_batch SET sealed = x'' WHERE pos = (SELECT max(pos) FROM sqlsync_batch)`,
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, items, "items")
			for id := range 5 {
				a.exec(`INSERT INTO items (id, name) VALUES (?, 'row')`, id)
				a.seal()
			}
			a.exec(damage)
			// Who has just sealed it has it as it was.
			if n := len(a.held()); n != 5 {
				t.Fatalf("%d batches of 5 are given", n)
			}
			a.shut()
			a = openNode(t, 1, a.path, "")
			a.damaged = true
			list := a.held()
			if got := a.text(`SELECT count(*) FROM sqlsync_batch`); len(list) != 4 || got != "5" {
				t.Fatalf("%d batches of %s are given", len(list), got)
			}
			troubles := a.Troubles()
			if len(troubles) != 1 || !errors.Is(troubles[0].Err, cdc.ErrDamagedBatch) {
				t.Errorf("troubles: %+v", troubles)
			}
			b.takeFrom(a)
			a.exec(`INSERT INTO items (id, name) VALUES (9, 'later')`)
			a.seal()
			b.meet(a)
			if a.digest()["items"] != b.digest()["items"] {
				t.Error("the tables differ")
			}
			a.prune()
			if troubles := a.Troubles(); len(troubles) != 0 {
				t.Errorf("troubles of what was pruned: %+v", troubles)
			}
		})
	}
}

// held are the batches that n gives to peers.
func (n *node) held() []wire.Held {
	n.t.Helper()
	list, err := n.Stream(cdc.DefaultDataset).After(n.t.Context(), 0, 1<<20)
	if err != nil {
		n.t.Fatal(err)
	}
	return list
}

// A table that is watched late passes over a batch that is damaged, and is had
// from a peer.
func TestDamagedBatchOfATableWatchedLate(t *testing.T) {
	a := newNode(t, 1, items)
	a.watch(cdc.WatchOptions{}, "items")
	b := newNode(t, 2, items)
	b.knows(a)
	for id := range 3 {
		a.exec(`INSERT INTO items (id, name) VALUES (?, 'row')`, id)
		a.seal()
	}
	b.knows(newNode(t, 3, items)) // so that it asks for tables that it does not watch
	b.pull(a)
	b.exec(`UPDATE sqlsync_batch SET sealed = CAST(substr(sealed, 1, length(sealed) - 30) || x'00' || substr(sealed, length(sealed) - 28) AS BLOB) WHERE pos = 2`)
	b.damaged = true
	b.watch(cdc.WatchOptions{}, "items")
	b.seal()
	b.rejoin(a)
	if got := b.text(`SELECT group_concat(id) FROM (SELECT id FROM items ORDER BY id)`); got != "0,1,2" {
		t.Errorf("rows are %s", got)
	}
}

// Batches that are damaged side by side do not keep those before and behind them.
func TestDamagedBatchesArePruned(t *testing.T) {
	for name, damage := range map[string]string{
		"in the middle": `UPDATE sqlsync_batch SET sealed = x'00' WHERE pos IN (2, 3)`,
		"at the end":    `UPDATE sqlsync_batch SET sealed = x'00' WHERE pos IN (4, 5)`,
		"all":           `UPDATE sqlsync_batch SET sealed = x'00'`,
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, items, "items")
			for id := range 5 {
				a.exec(`INSERT INTO items (id, name) VALUES (?, 'row')`, id)
				a.seal()
			}
			b.pull(a)
			a.exec(damage)
			a.prune()
			if got := a.text(`SELECT count(*) FROM sqlsync_batch`); got != "0" {
				t.Errorf("%s batches are left", got)
			}
			a.exec(`INSERT INTO items (id, name) VALUES (9, 'later')`)
			converge(t, a, b)
		})
	}
}

// Of a batch that was asked for in part, and is damaged, the rest comes all the same,
// and makes it whole.
func TestDamagedBatchThatIsFilled(t *testing.T) {
	for name, damage := range map[string]string{
		"torn":    `UPDATE sqlsync_batch SET sealed = substr(sealed, 1, 20) WHERE pos = 2`,
		"flipped": `UPDATE sqlsync_batch SET sealed = CAST(substr(sealed, 1, 9) || x'00' || substr(sealed, 11) AS BLOB) WHERE pos = 2`,
		"two":     `UPDATE sqlsync_batch SET sealed = x'00' WHERE pos IN (2, 3)`,
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newNode(t, 1, twoTables), newNode(t, 2, twoTables)
			a.watch(cdc.WatchOptions{}, "items", "other")
			b.watch(cdc.WatchOptions{}, "items")
			b.knows(a)
			for id := range 4 {
				a.exec(`INSERT INTO items (id, name) VALUES (?1, 'row'); INSERT INTO other VALUES (?1, 'row')`, id)
				a.seal()
			}
			if err := b.ask(a); err != nil {
				t.Fatal(err)
			}
			b.exec(damage)
			b.watch(cdc.WatchOptions{}, "other")
			for range 2 {
				if err := b.ask(a); err != nil {
					t.Fatal(err)
				}
			}
			if got := b.text(`SELECT group_concat(id) FROM other`); got != "0,1,2,3" {
				t.Errorf("rows are %s", got)
			}
			if n := len(b.held()); n != 4 || b.changes() != 8 || len(b.left()) > 0 {
				t.Errorf("%d batches with %d changes are held, without %v", n, b.changes(), b.left())
			}
			if forks, err := b.Forks(t.Context()); err != nil || len(forks) > 0 {
				t.Errorf("forks: %v, %v", forks, err)
			}
			converge(t, a, b)
		})
	}
}
