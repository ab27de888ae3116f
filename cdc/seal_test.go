package cdc_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// many rows are more than one batch takes.
const many = `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 500)
	INSERT INTO items SELECT i, 'name ' || i, i, NULL FROM c`

// While a backlog is sealed the application may write until a batch is
// complete. If it has, the batch is made again.
func TestTheApplicationWritesWhileABacklogIsSealed(t *testing.T) {
	wrote, locked, begun := 0, 0, false
	var n *node
	n = openNodeWith(t, 1, filepath.Join(t.TempDir(), "app.db"), `PRAGMA journal_mode = wal; `+items, cdc.Options{
		Sign: func(wire.Hash) []byte {
			if !begun || wrote > 0 {
				return nil
			}
			if _, err := n.app.Exec(`PRAGMA busy_timeout = 0; UPDATE items SET name = 'later' WHERE id IN (1, 150, 490)`); err != nil {
				locked++
			} else {
				wrote++
			}
			return nil
		},
	})
	n.app.SetMaxOpenConns(1)
	n.watch(cdc.WatchOptions{}, "items")
	rows := int64(100)
	if err := n.SetDataset(t.Context(), cdc.DefaultDataset, cdc.DatasetChange{BatchRows: &rows}); err != nil {
		t.Fatal(err)
	}
	n.exec(`CREATE TABLE other (a)`)
	n.seal() // and so the application is seen to write, again and again
	begun = true
	n.exec(many)
	n.seal()
	if wrote != 1 || locked != 1 {
		t.Errorf("wrote %d times, was locked out %d times, want 1 and 1: the first batch is made with the lock", wrote, locked)
	}
	if got := n.text(`SELECT count(*) FROM sqlsync_oplog`); got != "0" {
		t.Errorf("%s marks are left", got)
	}
	later := 0
	if err := n.Log(t.Context(), cdc.Cursor{Dataset: cdc.DefaultDataset}, func(e *cdc.Entry) error {
		for _, v := range e.Change.Values {
			if v == "later" {
				later++
			}
		}
		return nil
	}); err != nil || later != 3 {
		t.Errorf("%d changes say later, want 3; %v", later, err)
	}
	other := newNode(t, 2, items)
	other.watch(cdc.WatchOptions{}, "items")
	converge(t, n, other)
}

// With a rollback journal a reader would keep the application from committing,
// so there every batch is made with the lock.
func TestNobodyWritesWhileABacklogIsSealedIntoAJournal(t *testing.T) {
	wrote, batches := 0, 0
	var n *node
	n = openNodeWith(t, 1, filepath.Join(t.TempDir(), "app.db"), items, cdc.Options{
		Sign: func(wire.Hash) []byte {
			batches++
			if _, err := n.app.Exec(`PRAGMA busy_timeout = 0; UPDATE items SET name = 'later' WHERE id = 490`); err == nil {
				wrote++
			}
			return nil
		},
	})
	n.app.SetMaxOpenConns(1)
	n.watch(cdc.WatchOptions{}, "items")
	rows := int64(100)
	if err := n.SetDataset(t.Context(), cdc.DefaultDataset, cdc.DatasetChange{BatchRows: &rows}); err != nil {
		t.Fatal(err)
	}
	n.exec(many)
	n.seal()
	if wrote != 0 || batches != 5 {
		t.Errorf("%d batches, the application wrote %d times in between; want 5 and 0", batches, wrote)
	}
}

// A row that was marked again and again, thousands of marks apart, is one
// change of a batch, whatever was done to it last.
func TestMarksOfARowFarApart(t *testing.T) {
	unitOnly(t)
	const table = `CREATE TABLE items (name TEXT COLLATE NOCASE PRIMARY KEY, qty, note)`
	a, b := pair(t, table, "items")
	fill := func(from, to int) {
		a.exec(`WITH RECURSIVE c(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM c WHERE i < ?)
			INSERT INTO items SELECT 'item ' || i, i, NULL FROM c`, from, to)
	}
	fill(1, 300)
	converge(t, a, b)
	a.exec(`UPDATE items SET qty = -qty`)
	fill(1001, 3500) // more marks than are read at once
	a.exec(`UPDATE items SET note = 'again' WHERE qty BETWEEN -20 AND -1`)
	a.exec(`UPDATE items SET name = upper(name) WHERE qty BETWEEN -40 AND -21`)
	a.exec(`DELETE FROM items WHERE qty BETWEEN -60 AND -41`)
	a.exec(`DELETE FROM items WHERE qty BETWEEN -80 AND -61`)
	for i := 61; i <= 80; i++ {
		a.exec(`INSERT INTO items VALUES ('ITEM ' || ?, 0, 'reborn')`, i)
	}
	a.exec(`DELETE FROM items WHERE qty BETWEEN 1001 AND 1100`)
	fill(4001, 6500)
	a.exec(`UPDATE items SET qty = qty + 1 WHERE qty < 0`)
	a.seal()
	seen := make(map[string]bool)
	err := a.Log(t.Context(), cdc.Cursor{Dataset: cdc.DefaultDataset}, func(e *cdc.Entry) error {
		key := fmt.Sprint(e.Seq) + string(wire.AppendRow(nil, e.Change.Key))
		if seen[key] {
			t.Errorf("there is more than one change of %q", e.Change.Key)
		}
		seen[key] = true
		return nil
	})
	if err != nil || len(seen) < 5000 {
		t.Errorf("changes of %d rows, %v", len(seen), err)
	}
	converge(t, a, b)
	if got := b.text(`SELECT count(*) || ' ' || sum(qty) || ' ' || sum(name = upper(name) COLLATE binary) FROM items`); got != a.text(`SELECT count(*) || ' ' || sum(qty) || ' ' || sum(name = upper(name) COLLATE binary) FROM items`) {
		t.Errorf("b has %s", got)
	}
}
