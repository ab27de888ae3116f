package e2e_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"sqlsync/cdc"
)

// BenchmarkSeal is how fast rows that an application has inserted are sealed.
func BenchmarkSeal(b *testing.B) {
	n := sized(300_000)
	for range b.N {
		var c contest
		for range rounds(5) {
			raw := rawInserts(b, n)
			r := newReplica(b, ordersTable, "orders", "")
			insertOrders(b, r.app, 0, n)
			c.rate(n, raw, r.seal(b))
			r.close(b)
		}
		c.report(b, "rows/s")
	}
}

// BenchmarkApply is how fast batches are merged.
func BenchmarkApply(b *testing.B) {
	n := sized(300_000)
	b.Run("empty", func(b *testing.B) {
		for range b.N {
			from := newReplica(b, ordersTable, "orders", "")
			insertOrders(b, from.app, 0, n)
			from.seal(b)
			batches := from.take(b)
			var c contest
			for range rounds(5) {
				raw := rawInserts(b, n)
				to := newReplica(b, ordersTable, "orders", "")
				c.rate(n, raw, to.apply(b, from, batches))
				wantOrders(b, to.app, n)
				to.close(b)
			}
			from.close(b)
			c.report(b, "rows/s")
		}
	})
	b.Run("updates", func(b *testing.B) { applyUpdates(b, sized(200_000), 0) })
	b.Run("conflicts", func(b *testing.B) { applyUpdates(b, sized(200_000), 10) })
}

func wantOrders(tb testing.TB, db *sql.DB, n int) {
	tb.Helper()
	if got := count(tb, db); got != n {
		tb.Fatalf("%d rows, want %d", got, n)
	}
}

// applyUpdates applies updates of n rows. If conflict is not 0, every
// conflict-th row was updated on the other side too.
func applyUpdates(b *testing.B, n, conflict int) {
	for range b.N {
		raw := newOrders(b, filepath.Join(b.TempDir(), "raw.db"))
		insertOrders(b, raw, 0, n)
		from, to := newReplica(b, ordersTable, "orders", ""), newReplica(b, ordersTable, "orders", "")
		insertOrders(b, from.app, 0, n)
		from.seal(b)
		to.apply(b, from, from.take(b))
		var c contest
		for round := range rounds(3) {
			floor := updateOrders(b, raw, 0, n, 1, round)
			if conflict > 0 {
				updateOrders(b, to.app, 0, n, conflict, 100+round)
				to.seal(b)
			}
			updateOrders(b, from.app, 0, n, 1, round)
			from.seal(b)
			c.rate(n, floor, to.apply(b, from, from.take(b)))
		}
		if conflict > 0 {
			found, err := to.Conflicts(b.Context())
			if want := len(c.taken) * n / conflict; err != nil || len(found) < want {
				b.Fatalf("%d conflicts, want %d; %v", len(found), want, err)
			}
		}
		from.close(b)
		to.close(b)
		raw.Close()
		c.report(b, "rows/s")
	}
}

// BenchmarkFileGrowth is what stays in the file beside the table when all
// batches are pruned: after the inserts, and after an update of every row.
func BenchmarkFileGrowth(b *testing.B) {
	n := sized(200_000)
	for _, policy := range []string{"lww", "row", "append"} {
		b.Run(policy, func(b *testing.B) {
			for range b.N {
				raw := newOrders(b, filepath.Join(b.TempDir(), "raw.db"))
				insertOrders(b, raw, 0, n)
				floor := usedMB(b, raw)
				r := newReplica(b, ordersTable, "orders", policy)
				insertOrders(b, r.app, 0, n)
				var c contest
				c.cost(floor, usedPruned(b, r)-floor)
				c.report(b, "MB")
				if policy != "append" { // there an update is put back
					updateOrders(b, r.app, 0, n, 1, 1)
					b.ReportMetric((usedPruned(b, r)-floor)/floor, "updated-ratio")
				}
				r.close(b)
				raw.Close()
			}
		})
	}
}

// usedPruned seals and prunes, and says how much of the file is in use.
func usedPruned(b *testing.B, r *replica) float64 {
	b.Helper()
	r.seal(b)
	if _, err := r.Prune(b.Context(), cdc.DefaultDataset, cdc.PruneOptions{All: true}); err != nil {
		b.Fatal(err)
	}
	return usedMB(b, r.app)
}

// usedMB is how much of a file is in use; free pages will be used again.
func usedMB(tb testing.TB, db *sql.DB) float64 {
	tb.Helper()
	var used float64
	err := db.QueryRow(`SELECT (p.page_count - f.freelist_count) * s.page_size / 1e6
		FROM pragma_page_count AS p, pragma_freelist_count AS f, pragma_page_size AS s`).Scan(&used)
	if err != nil {
		tb.Fatal(err)
	}
	return used
}
