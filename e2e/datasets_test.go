package e2e_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

const (
	// offeredRows is how many rows of telemetry are offered per second, in
	// transactions of offeredBatch.
	offeredRows  = 100_000
	offeredBatch = 1000
	// lagSamples is how many orders a lag is taken over, lagEvery apart.
	lagSamples = 200
	lagEvery   = 20 * time.Millisecond
	lagAtMost  = 10 * time.Second
)

// readingsTable is what telemetry goes into.
const readingsTable = `CREATE TABLE readings (id INTEGER PRIMARY KEY, sensor INTEGER, at INTEGER, value REAL)`

// BenchmarkDatasets measures, in one run and on one machine, how long an order
// takes from the commit in one process until it is seen in the other's file:
// alone, while telemetry is offered in a dataset of its own, and while it is
// offered in the same dataset. Run it once:
//
//	go test -run '^$' -bench Datasets -benchtime 1x ./e2e
func BenchmarkDatasets(b *testing.B) {
	for range b.N {
		idle, own, offered := primaryLag(b, "telemetry")
		_, same, _ := primaryLag(b, "primary")
		b.Logf("idle %v, own dataset %v, same dataset %v", idle, own, same)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(idle.Seconds()*1000, "idle-p95-ms")
		b.ReportMetric(own.Seconds()*1000, "own-p95-ms")
		b.ReportMetric(same.Seconds()*1000, "same-p95-ms")
		b.ReportMetric(float64(own)/float64(idle), "own/idle")
		b.ReportMetric(float64(same)/float64(idle), "same/idle")
		b.ReportMetric(offered, "offered-rows/s")
	}
}

// primaryLag is the 95th percentile of the lag of orders, idle and with
// telemetry in a dataset, and how many rows of that were written per second.
func primaryLag(b *testing.B, dataset string) (idle, loaded time.Duration, offered float64) {
	dir := b.TempDir()
	na, nb := newNode(b, dir, "a"), newNode(b, dir, "b")
	var dbs []*sql.DB
	for _, n := range []*node{na, nb} {
		db := openWAL(b, n.path)
		defer db.Close()
		if _, err := db.Exec(ordersTable + ";" + readingsTable); err != nil {
			b.Fatal(err)
		}
		n.must("watch", "orders")
		n.must("watch", "readings", "--dataset", dataset)
		dbs = append(dbs, db)
	}
	introduce(na, nb)
	na.serve()
	nb.serve()
	defer nb.stop()
	defer na.stop()
	insertOrders(b, dbs[0], 0, 1)
	waitFor(b, "the first row", func() bool { return count(b, dbs[1]) == 1 })

	idle = lagOfOrders(b, dbs[0], dbs[1], 2)
	ctx, cancel := context.WithCancel(b.Context())
	var writing sync.WaitGroup
	rows, start := 0, time.Now()
	telemetry := openWAL(b, na.path)
	defer telemetry.Close()
	writing.Go(func() { rows = offer(b, ctx, telemetry) })
	waitFor(b, "telemetry", func() bool {
		return scalar(b, dbs[1], `SELECT count(*) FROM (SELECT 1 FROM readings LIMIT 5000)`) == 5000
	})
	came := time.Now()
	loaded = lagOfOrders(b, dbs[0], dbs[1], 2+lagSamples)
	arrived := float64(scalar(b, dbs[1], `SELECT count(*) FROM readings`)) / time.Since(came).Seconds()
	cancel()
	writing.Wait()
	b.Logf("telemetry in %s: offered %.0f rows/s, %.0f rows/s arrived; lag of orders %v idle, %v then", dataset, float64(rows)/time.Since(start).Seconds(), arrived, idle, loaded)
	return idle, loaded, float64(rows) / time.Since(start).Seconds()
}

// offer writes telemetry on a schedule until ctx ends; what it cannot write in
// time it writes as soon as it can.
func offer(tb testing.TB, ctx context.Context, db *sql.DB) (rows int) {
	start := time.Now()
	for ctx.Err() == nil {
		if early := time.Until(start.Add(time.Duration(rows) * time.Second / offeredRows)); early > 0 {
			time.Sleep(early)
		}
		if _, err := db.Exec(fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO readings SELECT %d + i, i %% 50, %d, i * 0.5 FROM n`, offeredBatch, rows, time.Now().UnixMilli())); err != nil {
			tb.Error(err)
			return rows
		}
		rows += offeredBatch
	}
	return rows
}

// lagOfOrders is the 95th percentile of the time from the return of a commit on
// one side until another connection sees the row on the other. One that has not
// come after lagAtMost counts as that.
func lagOfOrders(b *testing.B, from, to *sql.DB, id int) time.Duration {
	var took []time.Duration
	for begun := time.Now(); len(took) < lagSamples && time.Since(begun) < 3*lagAtMost; id++ {
		insertOrders(b, from, id-1, 1) // gives it the id
		start := time.Now()
		for time.Since(start) < lagAtMost && scalar(b, to, fmt.Sprintf(`SELECT count(*) FROM orders WHERE id = %d`, id)) == 0 {
			time.Sleep(200 * time.Microsecond) // a reader that never rests takes the processor from what it measures
		}
		took = append(took, time.Since(start))
		time.Sleep(lagEvery)
	}
	slices.Sort(took)
	return took[len(took)*95/100]
}

func scalar(tb testing.TB, db *sql.DB, query string) (n int) {
	tb.Helper()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}
