package e2e_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sqlsync/fixtures"
)

// perChange is what one change costs in the several places, in microseconds of
// processor time: where a test is the application and both nodes in turn, the
// time on the wall is for the larger part what they leave to each other. raw is
// what it costs the application where nothing is watched.
type perChange struct{ raw, write, seal, apply []float64 }

// costing adds what one of n changes that f makes costs.
func costing(list *[]float64, n int, f func()) {
	before := ownCPU()
	f()
	*list = append(*list, micros(ownCPU()-before, n))
}

// micros is the time of one of n.
func micros(d time.Duration, n int) float64 {
	return float64(d) / float64(time.Microsecond) / float64(n)
}

func (p *perChange) report(b *testing.B, prefix string) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(quantile(p.raw, 0.5), prefix+"raw-µs/change")
	b.ReportMetric(quantile(p.write, 0.5), prefix+"write-µs/change")
	b.ReportMetric(quantile(p.seal, 0.5), prefix+"seal-µs/change")
	b.ReportMetric(quantile(p.apply, 0.5), prefix+"apply-µs/change")
}

// changesAtOnce is how many changes each round of a growth benchmark makes.
const changesAtOnce = 1000

// BenchmarkGrowthRows is the cost of a change in tables of growing size:
// updates that are written and sealed, inserts between the table's rows that
// are applied. The changes are to neighbouring rows somewhere in the table, and
// then to rows all over it, which touches as many pages of the file.
func BenchmarkGrowthRows(b *testing.B) {
	needSqlite3(b)
	sizes := []int{1_000, 10_000, 100_000, 1_000_000, 10_000_000}
	if testing.Short() {
		sizes = sizes[:3]
	}
	for _, size := range sizes {
		b.Run(fmt.Sprintf("rows=%d", size), func(b *testing.B) {
			for range b.N {
				growthRows(b, size)
			}
		})
	}
}

// growing is a table of some size, watched and not, and a node with changes
// for it.
type growing struct {
	raw        *sql.DB
	big, small *replica
	free       []int // the odd ids that are not in the table are 2 * free + 1
	round      int
}

func growthRows(b *testing.B, size int) {
	dir := b.TempDir()
	fill := ordersTable + `; PRAGMA journal_mode = wal; PRAGMA synchronous = OFF;` + strings.Replace(ordersInserted(size), "SELECT i,", "SELECT 2 * i,", 1)
	rawPath, bigPath := filepath.Join(dir, "raw.db"), filepath.Join(dir, "big.db")
	sqlite3(b, rawPath, fill)
	sqlite3(b, bigPath, fill)
	g := &growing{raw: openWAL(b, rawPath), big: watched(b, bigPath, openWAL(b, bigPath), "orders", ""), small: newReplica(b, ordersTable, "orders", "")}
	r := rand.New(rand.NewPCG(7, uint64(size)))
	g.free = r.Perm(size)
	used := make([]bool, size)
	const n = 50 // of which all rounds together fit into the smallest table
	var near, apart perChange
	for range rounds(9) {
		from := r.IntN(size - 2*n)
		var ids, odd []int
		for i := from; len(odd) < n; i = (i + 1) % size {
			if len(ids) < n {
				ids = append(ids, i)
			}
			if !used[i] {
				used[i], odd = true, append(odd, i)
			}
		}
		g.change(b, &near, ids, odd)
	}
	for range rounds(9) { // apart from those, which find nothing of it in the page cache
		var odd []int
		for i := 0; len(odd) < n; i++ {
			if !used[g.free[i]] {
				used[g.free[i]], odd = true, append(odd, g.free[i])
			}
		}
		g.change(b, &apart, r.Perm(size)[:n], odd)
	}
	near.report(b, "")
	apart.report(b, "scattered-")
	g.raw.Close()
	g.big.close(b)
	g.small.close(b)
}

// change updates rows, and brings in others whose ids are odd.
func (g *growing) change(b *testing.B, p *perChange, ids, odd []int) {
	b.Helper()
	g.round++
	n := len(ids)
	update := func(db *sql.DB) {
		prepared(b, db, `UPDATE orders SET status = ?, total_cents = ? WHERE id = ?`, n, func(yield func([]any)) {
			for _, id := range ids {
				yield([]any{"sent", g.round*100_000_000 + id, 2 * (id + 1)})
			}
		})
	}
	costing(&p.raw, n, func() { update(g.raw) })
	costing(&p.write, n, func() { update(g.big.app) })
	costing(&p.seal, n, func() { g.big.seal(b) })
	prepared(b, g.small.app, `INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)`, n, func(yield func([]any)) {
		i := 0
		for o := range fixtures.Orders(n) {
			o.ID = int64(2*odd[i] + 1)
			i++
			yield(o.Values())
		}
	})
	g.small.seal(b)
	batches := g.small.take(b)
	costing(&p.apply, n, func() { g.big.apply(b, g.small, batches) })
}

// BenchmarkGrowthColumns is the cost of the change of one column in tables of
// growing width.
func BenchmarkGrowthColumns(b *testing.B) {
	for _, columns := range []int{1, 4, 16, 64, 256} {
		b.Run(fmt.Sprintf("columns=%d", columns), func(b *testing.B) {
			for range b.N {
				growthColumns(b, columns)
			}
		})
	}
}

func growthColumns(b *testing.B, columns int) {
	names := make([]string, columns)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	table := `CREATE TABLE wide (id INTEGER PRIMARY KEY, ` + strings.Join(names, ", ") + `)`
	insert := func(db *sql.DB) {
		prepared(b, db, `INSERT INTO wide VALUES (?`+strings.Repeat(`, ?`, columns)+`)`, changesAtOnce, func(yield func([]any)) {
			for id := range changesAtOnce {
				args := []any{id}
				for i := range columns {
					args = append(args, id*i)
				}
				yield(args)
			}
		})
	}
	raw := openWAL(b, filepath.Join(b.TempDir(), "raw.db"))
	defer raw.Close()
	execute(b, raw, table)
	from, to := newReplica(b, table, "wide", ""), newReplica(b, table, "wide", "")
	defer from.close(b)
	defer to.close(b)
	insert(raw)
	insert(from.app)
	from.seal(b)
	to.apply(b, from, from.take(b))
	var p perChange
	for round := range rounds(9) {
		update := func(db *sql.DB) {
			prepared(b, db, `UPDATE wide SET c0 = ? WHERE id = ?`, changesAtOnce, func(yield func([]any)) {
				for id := range changesAtOnce {
					yield([]any{round*changesAtOnce + id + 1, id})
				}
			})
		}
		costing(&p.raw, changesAtOnce, func() { update(raw) })
		costing(&p.write, changesAtOnce, func() { update(from.app) })
		costing(&p.seal, changesAtOnce, func() { from.seal(b) })
		batches := from.take(b)
		costing(&p.apply, changesAtOnce, func() { to.apply(b, from, batches) })
	}
	p.report(b, "")
}
