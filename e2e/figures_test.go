package e2e_test

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// ordersTable is the six-column orders table of the sample shop.
const ordersTable = `CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, placed_at TEXT, status TEXT, total_cents INTEGER, note TEXT)`

// figureRows is what the figures are taken over.
const figureRows = 300_000

// BenchmarkFigures measures, in one run and on one machine, how fast rows are
// inserted raw, sealed, applied, and brought from one process to another, and
// how long one commit takes to be visible on the other side. Run it once:
//
//	go test -run '^$' -bench Figures -benchtime 1x ./e2e
func BenchmarkFigures(b *testing.B) {
	for range b.N {
		raw := rawInserts(b)
		seal, apply := sealAndApply(b)
		end := endToEnd(b)
		floor := latencyFloor(b)
		p50, p99 := latency(b)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(raw, "raw-rows/s")
		b.ReportMetric(seal, "seal-rows/s")
		b.ReportMetric(apply, "apply-rows/s")
		b.ReportMetric(end, "end-to-end-rows/s")
		b.ReportMetric(seal/raw, "seal/raw")
		b.ReportMetric(apply/raw, "apply/raw")
		b.ReportMetric(end/raw, "end-to-end/raw")
		b.ReportMetric(floor.Seconds()*1000, "floor-ms")
		b.ReportMetric(p50.Seconds()*1000, "p50-ms")
		b.ReportMetric(float64(p50)/float64(floor), "p50/floor")
		b.ReportMetric(float64(p99)/float64(floor), "p99/floor")
		b.ReportMetric(p99.Seconds()*1000, "p99-ms")
	}
}

func openWAL(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=synchronous(1)&_pragma=busy_timeout(30000)")
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

// insertOrders inserts n rows from id on, in one transaction, by a prepared
// statement.
func insertOrders(tb testing.TB, db *sql.DB, from, n int) {
	tb.Helper()
	tx, err := db.Begin()
	if err != nil {
		tb.Fatal(err)
	}
	defer tx.Rollback()
	st, err := tx.Prepare(`INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)`)
	if err != nil {
		tb.Fatal(err)
	}
	states := []string{"open", "paid", "sent", "returned"}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := from; i < from+n; i++ {
		h := uint64(i) * 0x9E3779B97F4A7C15
		placed := at.Add(time.Duration(i) * 7 * time.Second).Format("2006-01-02 15:04:05")
		if _, err := st.Exec(i, int(h>>40)%50000, placed, states[h>>20%4], int(h>>33)%100000, fmt.Sprintf("till %d, basket %x", h>>50%12, h>>24&0xffffff)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		tb.Fatal(err)
	}
}

func rawInserts(b *testing.B) float64 {
	db := openWAL(b, filepath.Join(b.TempDir(), "raw.db"))
	defer db.Close()
	if _, err := db.Exec(ordersTable); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	insertOrders(b, db, 1, figureRows)
	return figureRows / time.Since(start).Seconds()
}

func openStore(b *testing.B, name string, seed byte) (*cdc.Store, *sql.DB) {
	path := filepath.Join(b.TempDir(), name)
	db := openWAL(b, path)
	if _, err := db.Exec(ordersTable); err != nil {
		b.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(append(make([]byte, 31), seed))
	s, err := cdc.Open(b.Context(), cdc.Options{
		Path: path, Node: merge.NodeID(key.Public().(ed25519.PublicKey)),
		Sign: func(h wire.Hash) []byte { return ed25519.Sign(key, h[:]) },
		Verify: func(o merge.NodeID, h wire.Hash, sig []byte) bool {
			return ed25519.Verify(o[:], h[:], sig)
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Watch(b.Context(), []string{"orders"}, cdc.WatchOptions{}); err != nil {
		b.Fatal(err)
	}
	return s, db
}

func sealAndApply(b *testing.B) (seal, apply float64) {
	ctx := context.Background()
	from, app := openStore(b, "from.db", 1)
	defer from.Close()
	defer app.Close()
	insertOrders(b, app, 1, figureRows)
	start := time.Now()
	if err := from.Seal(ctx, cdc.DefaultDataset); err != nil {
		b.Fatal(err)
	}
	seal = figureRows / time.Since(start).Seconds()

	to, other := openStore(b, "to.db", 2)
	defer to.Close()
	defer other.Close()
	list, err := from.Stream(cdc.DefaultDataset).After(ctx, 0, 1<<30)
	if err != nil {
		b.Fatal(err)
	}
	var batches []*wire.Sealed
	for _, h := range list {
		batches = append(batches, h.Sealed)
	}
	start = time.Now()
	if _, err := to.Stream(cdc.DefaultDataset).Apply(ctx, from.Node(), batches); err != nil {
		b.Fatal(err)
	}
	apply = figureRows / time.Since(start).Seconds()
	var n int
	if err := other.QueryRow(`SELECT count(*) FROM orders`).Scan(&n); err != nil || n != figureRows {
		b.Fatalf("%d rows, %v", n, err)
	}
	return seal, apply
}

// twoProcesses starts two real serve processes that know each other.
func twoProcesses(b *testing.B) (a, c *sql.DB) {
	dir := b.TempDir()
	na, nb := newNode(b, dir, "a"), newNode(b, dir, "b")
	a, c = openWAL(b, na.path), openWAL(b, nb.path)
	b.Cleanup(func() { a.Close(); c.Close() })
	for _, db := range []*sql.DB{a, c} {
		if _, err := db.Exec(ordersTable); err != nil {
			b.Fatal(err)
		}
	}
	na.must("watch", "orders")
	nb.must("watch", "orders")
	introduce(na, nb)
	na.serve()
	nb.serve()
	insertOrders(b, a, 1, 1)
	waitFor(b, "the first row", func() bool { return count(b, c) == 1 })
	return a, c
}

func count(tb testing.TB, db *sql.DB) (n int) {
	tb.Helper()
	if err := db.QueryRow(`SELECT count(*) FROM orders`).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

func endToEnd(b *testing.B) float64 {
	a, c := twoProcesses(b)
	start := time.Now()
	insertOrders(b, a, 2, figureRows)
	waitFor(b, "all rows", func() bool {
		var n int
		if err := c.QueryRow(`SELECT coalesce(max(id), 0) FROM orders`).Scan(&n); err != nil {
			b.Fatal(err)
		}
		return n == figureRows+1
	})
	took := time.Since(start)
	if n := count(b, c); n != figureRows+1 {
		b.Fatalf("%d rows", n)
	}
	return figureRows / took.Seconds()
}

// latencyFloor is the median of what nothing durable can do without: a synced
// commit, a round trip over loopback, and another synced commit.
func latencyFloor(b *testing.B) time.Duration {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	from, to := openWAL(b, filepath.Join(b.TempDir(), "from.db")), openWAL(b, filepath.Join(b.TempDir(), "to.db"))
	defer from.Close()
	defer to.Close()
	for _, db := range []*sql.DB{from, to} {
		if _, err := db.Exec(`PRAGMA synchronous = FULL; ` + ordersTable); err != nil {
			b.Fatal(err)
		}
	}
	var took []time.Duration
	for id := range 300 {
		start := time.Now()
		insertOrders(b, from, id, 1)
		if _, err := c.Write([]byte{1}); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		insertOrders(b, to, id, 1)
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// latency is from the return of a commit on one side until another connection
// sees the row on the other.
func latency(b *testing.B) (p50, p99 time.Duration) {
	a, c := twoProcesses(b)
	seen, err := c.Prepare(`SELECT count(*) FROM orders WHERE id = ?`)
	if err != nil {
		b.Fatal(err)
	}
	defer seen.Close()
	var took []time.Duration
	for id := 2; id < 502; id++ {
		insertOrders(b, a, id, 1)
		start := time.Now()
		for n := 0; n == 0; {
			if err := seen.QueryRow(id).Scan(&n); err != nil {
				b.Fatal(err)
			}
			if time.Since(start) > time.Minute {
				b.Fatal("a row has not come for a minute")
			}
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100]
}
