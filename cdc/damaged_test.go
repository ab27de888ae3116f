package cdc_test

import (
	"errors"
	"testing"

	"sqlsync/cdc"
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
			a.damaged = true
			for id := range 5 {
				a.exec(`INSERT INTO items (id, name) VALUES (?, 'row')`, id)
				a.seal()
			}
			a.exec(damage)
			a = openNode(t, 1, a.path, "") // which has nothing in memory yet
			a.damaged = true
			list, err := a.Stream(cdc.DefaultDataset).After(t.Context(), 0, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
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
