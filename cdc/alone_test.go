package cdc_test

import (
	"context"
	"sync"
	"testing"

	"sqlsync/cdc"
)

// An application that reads and then writes in one transaction is hardly ever
// refused because of a seal in between, on a file with a rollback journal, even
// if one follows another.
func TestReadThenWrite(t *testing.T) {
	n := newNode(t, 1, items)
	n.watch(cdc.WatchOptions{}, "items")
	n.exec(`INSERT INTO items (id, qty) VALUES (1, 0)`)
	n.app.SetMaxOpenConns(1)
	ctx, stop := context.WithCancel(t.Context())
	var sealing sync.WaitGroup
	sealing.Go(func() {
		for ctx.Err() == nil {
			if err := n.Seal(ctx, cdc.DefaultDataset); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	refused := 0
	for range 100 {
		n.exec(`BEGIN`)
		n.text(`SELECT qty FROM items WHERE id = 1`)
		if _, err := n.app.Exec(`UPDATE items SET qty = qty + 1 WHERE id = 1`); err != nil {
			n.exec(`ROLLBACK`)
			refused++
			continue
		}
		n.exec(`COMMIT`)
	}
	stop()
	sealing.Wait()
	// For an instant each try to begin alone holds what the application wants.
	if refused > 4 {
		t.Errorf("%d of 100 transactions were refused", refused)
	}
}
