package e2e_test

import (
	"context"
	"database/sql"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair is two served nodes that know each other, a and c, with their
// applications' connections.
type pair struct {
	a, c       *node
	appA, appC *sql.DB
}

// newPair starts two serves and waits until a row has come from one to the
// other. via, if not nil, is between them: it gets the address to reach, and
// returns the one to dial.
func newPair(b *testing.B, via func(addr string) string) *pair {
	b.Helper()
	dir := b.TempDir()
	p := &pair{a: newNode(b, dir, "a"), c: newNode(b, dir, "c")}
	p.appA, p.appC = newOrders(b, p.a.path), newOrders(b, p.c.path)
	b.Cleanup(func() { p.appA.Close(); p.appC.Close() })
	p.a.must("watch", "orders")
	p.c.must("watch", "orders")
	p.a.addr = freeAddr(b)
	dial := p.a.addr
	if via != nil {
		dial = via(p.a.addr)
	}
	p.a.must("remote", "add", "c", p.c.key())
	p.c.must("remote", "add", "a", p.a.key(), "--addr", dial)
	p.a.serve()
	p.c.serve()
	insertOrders(b, p.appA, 0, 1)
	p.arrived(b, 1)
	return p
}

// arrived waits until the order with this id is at c.
func (p *pair) arrived(b *testing.B, id int) {
	b.Helper()
	waitLong(b, "the rows", func() bool { return lastOrder(b, p.appC) >= id })
}

func lastOrder(tb testing.TB, db *sql.DB) (id int) {
	tb.Helper()
	if err := db.QueryRow(`SELECT coalesce(max(id), 0) FROM orders WHERE id < ?`, ownIDs).Scan(&id); err != nil {
		tb.Fatal(err)
	}
	return id
}

// ownIDs is where the ids begin that the application on c gives out.
const ownIDs = 1_000_000_000

// waitLong waits for as long as a benchmark may take.
func waitLong(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			tb.Fatalf("waited in vain for %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// BenchmarkEndToEnd is how fast rows that are inserted in one transaction on
// one node come to be on another, each served by a process of its own.
func BenchmarkEndToEnd(b *testing.B) {
	n := sized(1_000_000)
	for range b.N {
		p := newPair(b, nil)
		var c contest
		for round := range rounds(3) {
			raw := rawInserts(b, n)
			start := time.Now()
			insertOrders(b, p.appA, 1+round*n, n)
			p.arrived(b, 1+(round+1)*n)
			c.rate(n, raw, time.Since(start))
		}
		wantOrders(b, p.appC, 1+len(c.taken)*n)
		c.report(b, "rows/s")
		b.ReportMetric(max(p.a.peakMemory(), p.c.peakMemory()), "serve-MB")
	}
}

// BenchmarkClone is how fast a replica is made of a node that has rows.
func BenchmarkClone(b *testing.B) {
	n := sized(1_000_000)
	for range b.N {
		dir := b.TempDir()
		a := newNode(b, dir, "a")
		app := newOrders(b, a.path)
		insertOrders(b, app, 0, n)
		app.Close()
		a.must("watch", "orders")
		a.serve()
		var c contest
		var cloned float64
		for range rounds(3) {
			raw := rawInserts(b, n)
			lines := strings.Fields(a.must("invite", "--addr", a.addr))
			fresh := newNode(b, dir, "fresh")
			start := time.Now()
			fresh.must("join", lines[len(lines)-1], "--name", "a")
			c.rate(n, raw, time.Since(start))
			cloned = max(cloned, fresh.verbPeak)
			app := openWAL(b, fresh.path)
			wantOrders(b, app, n)
			app.Close()
			for _, suffix := range []string{"", "-wal", "-shm", "-sqlsync.key", "-sqlsync.lock"} {
				os.Remove(fresh.path + suffix)
			}
		}
		c.report(b, "rows/s")
		b.ReportMetric(a.peakMemory(), "serve-MB")
		b.ReportMetric(cloned, "clone-MB")
	}
}

// BenchmarkLatency is from the return of a commit on one node until another
// connection sees the row on the other. The floor is what nothing durable can
// do without: a synced commit, a round trip over loopback, and another synced
// commit.
func BenchmarkLatency(b *testing.B) {
	for range b.N {
		p, floor := newPair(b, nil), newLatencyFloor(b)
		seen, err := p.appC.Prepare(`SELECT count(*) FROM orders WHERE id = ?`)
		if err != nil {
			b.Fatal(err)
		}
		var floors, taken []float64
		for id := 1; id <= sized(3000); id++ {
			floors = append(floors, millis(floor(id)))
			insertOrders(b, p.appA, id, 1)
			start := time.Now()
			for n := 0; n == 0; {
				nap(20 * time.Microsecond) // who looks all the time takes a processor from both
				if err := seen.QueryRow(1 + id).Scan(&n); err != nil {
					b.Fatal(err)
				}
				if time.Since(start) > time.Minute {
					b.Fatal("a row has not come for a minute")
				}
			}
			taken = append(taken, millis(time.Since(start)))
		}
		seen.Close()
		base := quantile(floors, 0.5)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(quantile(taken, 0.5)/base, "p50-ratio")
		b.ReportMetric(quantile(taken, 0.99)/base, "p99-ratio")
		b.ReportMetric(quantile(taken, 0.99)/quantile(floors, 0.99), "p99-to-p99")
		curve(b, "floor", floors)
		curve(b, "commit", taken)
	}
}

// newLatencyFloor returns what takes the floor's time once.
func newLatencyFloor(b *testing.B) func(id int) time.Duration {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
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
	dir := b.TempDir()
	from, to := newOrders(b, filepath.Join(dir, "from.db")), newOrders(b, filepath.Join(dir, "to.db"))
	b.Cleanup(func() { l.Close(); c.Close(); from.Close(); to.Close() })
	execute(b, from, `PRAGMA synchronous = FULL`)
	execute(b, to, `PRAGMA synchronous = FULL`)
	return func(id int) time.Duration {
		start := time.Now()
		insertOrders(b, from, id, 1)
		if _, err := c.Write([]byte{1}); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		insertOrders(b, to, id, 1)
		return time.Since(start)
	}
}

// BenchmarkInterference is how long an application waits for a commit of one
// row while its node applies what another sends as fast as it can, beside how
// long it waits when nothing comes.
func BenchmarkInterference(b *testing.B) {
	n := sized(400_000)
	for range b.N {
		p := newPair(b, nil)
		var p50, p99 contest
		own := ownIDs
		write := func() float64 {
			own++
			took := millis(insertOrders(b, p.appC, own, 1))
			time.Sleep(time.Millisecond) // applications think, too
			return took
		}
		var idles, busies []float64
		for round := range rounds(3) {
			var idle, busy []float64
			for range sized(2000) {
				idle = append(idle, write())
			}
			insertOrders(b, p.appA, 1+round*n, n)
			for lastOrder(b, p.appC) < 1+(round+1)*n {
				busy = append(busy, write())
			}
			p50.cost(quantile(idle, 0.5), quantile(busy, 0.5))
			p99.cost(quantile(idle, 0.99), quantile(busy, 0.99))
			idles, busies = append(idles, idle...), append(busies, busy...)
		}
		p99.report(b, "p99-ms")
		b.ReportMetric(quantile(p50.taken, 0.5)/quantile(p50.floor, 0.5), "p50-ratio")
		curve(b, "idle", idles)
		curve(b, "busy", busies)
		b.ReportMetric(max(p.a.peakMemory(), p.c.peakMemory()), "serve-MB")
	}
}
