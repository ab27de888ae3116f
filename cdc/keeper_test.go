package cdc_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sqlsync/cdc"
)

// following runs Follow until the test ends.
func (n *node) following() {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { n.Follow(ctx) })
	n.t.Cleanup(func() { cancel(); group.Wait() })
}

func (n *node) set(dataset string, c cdc.DatasetChange) {
	n.t.Helper()
	if err := n.SetDataset(n.t.Context(), dataset, c); err != nil {
		n.t.Fatal(err)
	}
}

const ordersAndReadings = items + `; CREATE TABLE readings (id INTEGER PRIMARY KEY, v)`

const manyReadings = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO readings SELECT i, i FROM n`

// A dataset that has a lot to seal, and may seal little, holds up no other. What
// it may seal can be changed while it is at it.
func TestDatasetsAreSealedApart(t *testing.T) {
	n := newNode(t, 1, ordersAndReadings)
	n.watch(cdc.WatchOptions{}, "items")
	n.watch(cdc.WatchOptions{Dataset: "telemetry"}, "readings")
	rate := int64(10)
	n.set("telemetry", cdc.DatasetChange{Rate: &rate})
	n.following()
	n.exec(manyReadings)
	n.until("the first of telemetry", func() bool { return n.text(`SELECT count(*) FROM sqlsync_batch WHERE dataset_id = 2`) != "0" })
	n.exec(`INSERT INTO items (id) VALUES (1)`)
	n.until("the order", func() bool { return n.text(`SELECT count(*) FROM sqlsync_oplog_1`) == "0" })
	if n.text(`SELECT count(*) FROM sqlsync_oplog_2`) == "0" {
		t.Error("the rate was not kept to")
	}
	rate = 0
	n.set("telemetry", cdc.DatasetChange{Rate: &rate})
	n.until("the rest", func() bool { return n.text(`SELECT count(*) FROM sqlsync_oplog_2`) == "0" })
}

// A dataset that cannot be sealed is told of by its name, and the others go on.
func TestOneDatasetFails(t *testing.T) {
	n := newNode(t, 1, ordersAndReadings)
	n.watch(cdc.WatchOptions{}, "items")
	n.watch(cdc.WatchOptions{Dataset: "telemetry"}, "readings")
	n.exec(`INSERT INTO readings VALUES (1, 1)`)
	n.seal()
	if err := n.Seal(t.Context(), "telemetry"); err != nil {
		t.Fatal(err)
	}
	hash := n.text(`SELECT quote(hash) FROM sqlsync_vector WHERE dataset_id = 2`)
	n.exec(`UPDATE sqlsync_vector SET hash = x'00' WHERE dataset_id = 2`)
	n.following()
	n.exec(`INSERT INTO readings VALUES (2, 2)`)
	told := func() bool {
		for _, tr := range n.Troubles() {
			if strings.Contains(tr.What, "telemetry") {
				return true
			}
		}
		return false
	}
	n.until("the trouble", told)
	for _, q := range []string{`INSERT INTO items (id) VALUES (1)`, `INSERT INTO items (id) VALUES (2)`} {
		n.exec(q)
		n.until("the order", func() bool { return n.text(`SELECT count(*) FROM sqlsync_oplog_1`) == "0" })
	}
	if !told() {
		t.Error("the trouble is told no more")
	}
	n.exec(`UPDATE sqlsync_vector SET hash = ` + hash + ` WHERE dataset_id = 2`)
	n.until("telemetry", func() bool { return n.text(`SELECT count(*) FROM sqlsync_oplog_2`) == "0" && !told() })
}

// A dataset is sealed no more often than it is set to.
func TestIntervalBetweenSeals(t *testing.T) {
	n := newNode(t, 1, ordersAndReadings)
	n.watch(cdc.WatchOptions{}, "items")
	n.watch(cdc.WatchOptions{Dataset: "telemetry"}, "readings")
	long := time.Hour
	n.set("telemetry", cdc.DatasetChange{Interval: &long})
	n.following()
	n.exec(`INSERT INTO readings VALUES (1, 1)`)
	n.until("the first", func() bool { return n.text(`SELECT count(*) FROM sqlsync_oplog_2`) == "0" })
	waits := false
	for i := 2; i < 9 && !waits; i++ { // the first time, it looks again at the end
		n.exec(fmt.Sprintf(`INSERT INTO readings VALUES (%d, 2)`, i))
		n.exec(fmt.Sprintf(`INSERT INTO items (id) VALUES (%d)`, i))
		n.until("the order", func() bool { return n.text(`SELECT count(*) FROM sqlsync_oplog_1`) == "0" })
		waits = n.text(`SELECT count(*) FROM sqlsync_oplog_2`) == "1"
	}
	if !waits {
		t.Error("sealed before it was time")
	}
	none := time.Duration(0)
	n.set("telemetry", cdc.DatasetChange{Interval: &none})
	n.until("the second", func() bool { return n.text(`SELECT count(*) FROM sqlsync_oplog_2`) == "0" })
}
