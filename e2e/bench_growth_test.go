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

// perChange is what one change costs in the several places, in microseconds.
// raw is what it costs the application where nothing is watched.
type perChange struct{ raw, write, seal, apply []float64 }

// micros is the time of one of n.
func micros(d time.Duration, n int) float64 {
	return float64(d) / float64(time.Microsecond) / float64(n)
}

func (p *perChange) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(quantile(p.raw, 0.5), "raw-µs/change")
	b.ReportMetric(quantile(p.write, 0.5), "write-µs/change")
	b.ReportMetric(quantile(p.seal, 0.5), "seal-µs/change")
	b.ReportMetric(quantile(p.apply, 0.5), "apply-µs/change")
}

// changesAtOnce is how many changes each round of a growth benchmark makes.
const changesAtOnce = 1000

// BenchmarkGrowthRows is the cost of a change in tables of growing size. The
// changes are all over the table: updates that are written and sealed, inserts
// between its rows that are applied.
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

func growthRows(b *testing.B, size int) {
	dir := b.TempDir()
	fill := ordersTable + `; PRAGMA journal_mode = wal; PRAGMA synchronous = OFF;` + strings.Replace(ordersInserted(size), "SELECT i,", "SELECT 2 * i,", 1)
	rawPath, bigPath := filepath.Join(dir, "raw.db"), filepath.Join(dir, "big.db")
	sqlite3(b, rawPath, fill)
	sqlite3(b, bigPath, fill)
	raw := openWAL(b, rawPath)
	defer raw.Close()
	big := watched(b, bigPath, openWAL(b, bigPath), "orders", "")
	defer big.close(b)
	small := newReplica(b, ordersTable, "orders", "")
	defer small.close(b)
	r := rand.New(rand.NewPCG(7, uint64(size)))
	free := r.Perm(size) // of the odd ids
	var p perChange
	for round := range rounds(9) {
		n := min(changesAtOnce, size/10)
		ids := r.Perm(size)[:n]
		update := func(db *sql.DB) time.Duration {
			return prepared(b, db, `UPDATE orders SET status = ?, total_cents = ? WHERE id = ?`, n, func(yield func([]any)) {
				for _, id := range ids {
					yield([]any{"sent", round*1_000_000 + id, 2 * (id + 1)})
				}
			})
		}
		p.raw = append(p.raw, micros(update(raw), n))
		p.write = append(p.write, micros(update(big.app), n))
		p.seal = append(p.seal, micros(big.seal(b), n))
		i := 0
		prepared(b, small.app, `INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)`, n, func(yield func([]any)) {
			for o := range fixtures.Orders(n) {
				o.ID = int64(2*free[round*n+i] + 1)
				i++
				yield(o.Values())
			}
		})
		small.seal(b)
		p.apply = append(p.apply, micros(big.apply(b, small, small.take(b)), n))
	}
	p.report(b)
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
		update := func(db *sql.DB) float64 {
			return micros(prepared(b, db, `UPDATE wide SET c0 = ? WHERE id = ?`, changesAtOnce, func(yield func([]any)) {
				for id := range changesAtOnce {
					yield([]any{round*changesAtOnce + id + 1, id})
				}
			}), changesAtOnce)
		}
		p.raw = append(p.raw, update(raw))
		p.write = append(p.write, update(from.app))
		p.seal = append(p.seal, micros(from.seal(b), changesAtOnce))
		p.apply = append(p.apply, micros(to.apply(b, from, from.take(b)), changesAtOnce))
	}
	p.report(b)
}
