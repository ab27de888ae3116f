package cdc_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sqlsync/cdc"
)

// until waits for something to be so.
func (n *node) until(what string, ok func() bool) {
	n.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		if ok() {
			return
		}
	}
	n.t.Fatalf("waited in vain: %s", what)
}

// differing waits until so many rows of a table are noted as differing.
func (n *node) differing(table string, want int64) {
	n.t.Helper()
	n.until(fmt.Sprintf("%d rows of %s differ", want, table), func() bool {
		m, err := n.Differing(n.t.Context())
		if err != nil {
			n.t.Error(err)
		}
		return m[table] == want
	})
}

func TestRollingCheck(t *testing.T) {
	a := newNode(t, 1, items+`; CREATE TABLE other (id INTEGER PRIMARY KEY, v)`)
	a.watch(cdc.WatchOptions{}, "items", "other")
	a.exec(`WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO items (id, name) SELECT i, 'item' FROM n`)
	a.exec(`INSERT INTO other SELECT id, name FROM items`)
	a.seal()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Roll(ctx, cdc.RollingOptions{Every: time.Millisecond, Keys: 16, Share: 1}) }()
	a.past(`UPDATE items SET name = 'past' WHERE id IN (1, 50)`, `DELETE FROM items WHERE id = 99`, `INSERT INTO other VALUES (1000, 'past')`)
	a.differing("items", 3)
	a.differing("other", 1)
	// It follows changes of the schema.
	a.exec(`ALTER TABLE other ADD COLUMN w DEFAULT 5`)
	a.past(`DELETE FROM other WHERE id = 1`)
	a.differing("other", 2)
	a.repair()
	a.differing("items", 0)
	a.differing("other", 0)
	// Capture that is gone is back without a write by anyone.
	a.exec(`DROP TRIGGER sqlsync_1_update`)
	a.until("the trigger is back", func() bool {
		return a.text(`SELECT count(*) FROM sqlite_master WHERE name = 'sqlsync_1_update'`) == "1"
	})
	if _, err := a.Unwatch(t.Context(), []string{"items", "other"}); err != nil {
		t.Error(err)
	}
	a.exec(`INSERT INTO items (id) VALUES (1000)`)
	stop()
	if err := <-ended; err != context.Canceled {
		t.Errorf("Roll returned %v", err)
	}
}
