package e2e_test

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"sqlsync/cdc"
	"sqlsync/fixtures"
	"sqlsync/merge"
	"sqlsync/wire"
)

// ordersTable is the six-column orders table of the sample shop.
const ordersTable = `CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, placed_at TEXT, status TEXT, total_cents INTEGER, note TEXT)`

// openWAL opens a database as an application: WAL, synchronous NORMAL.
func openWAL(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=synchronous(1)&_pragma=busy_timeout(30000)")
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

func execute(tb testing.TB, db *sql.DB, statement string, args ...any) {
	tb.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		tb.Fatal(err)
	}
}

// newOrders makes a database with an empty orders table.
func newOrders(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db := openWAL(tb, path)
	execute(tb, db, ordersTable)
	return db
}

// madeAtOnce is how many rows are made before they are inserted.
const madeAtOnce = 10_000

// insertOrders inserts orders from+1 to from+n in one transaction, by a
// prepared statement, and returns how long that took, the making of the rows
// aside.
func insertOrders(tb testing.TB, db *sql.DB, from, n int) (took time.Duration) {
	tb.Helper()
	return prepared(tb, db, `INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)`, n, func(yield func([]any)) {
		for o := range fixtures.Orders(n) {
			o.ID += int64(from)
			yield(o.Values())
		}
	})
}

// prepared runs a prepared statement with each of n lists of arguments, in one
// transaction. What gives the lists is not part of the time.
func prepared(tb testing.TB, db *sql.DB, statement string, n int, give func(func([]any))) (took time.Duration) {
	tb.Helper()
	start := time.Now()
	tx, err := db.Begin()
	if err != nil {
		tb.Fatal(err)
	}
	defer tx.Rollback()
	st, err := tx.Prepare(statement)
	if err != nil {
		tb.Fatal(err)
	}
	took = time.Since(start)
	made := make([][]any, 0, min(n, madeAtOnce))
	flush := func() {
		start := time.Now()
		for _, args := range made {
			if _, err := st.Exec(args...); err != nil {
				tb.Fatal(err)
			}
		}
		took += time.Since(start)
		made = made[:0]
	}
	give(func(args []any) {
		if made = append(made, args); len(made) == cap(made) {
			flush()
		}
	})
	flush()
	start = time.Now()
	if err := tx.Commit(); err != nil {
		tb.Fatal(err)
	}
	return took + time.Since(start)
}

// updateOrders gives orders from+1 to from+n, every step-th of them, another
// status and total, and returns how long that took.
func updateOrders(tb testing.TB, db *sql.DB, from, n, step, mark int) time.Duration {
	tb.Helper()
	return prepared(tb, db, `UPDATE orders SET status = ?, total_cents = ? WHERE id = ?`, n/step, func(yield func([]any)) {
		for id := from + 1; id <= from+n; id += step {
			yield([]any{"sent", mark*1_000_000 + id, id})
		}
	})
}

// rawInserts is the floor of most rows: orders into a database of their own,
// which nothing watches.
func rawInserts(tb testing.TB, n int) time.Duration {
	tb.Helper()
	dir, err := os.MkdirTemp(tb.TempDir(), "raw")
	if err != nil {
		tb.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db := newOrders(tb, filepath.Join(dir, "raw.db"))
	defer db.Close()
	return insertOrders(tb, db, 0, n)
}

func count(tb testing.TB, db *sql.DB) (n int) {
	tb.Helper()
	if err := db.QueryRow(`SELECT count(*) FROM orders`).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

// replica is a store in this process with the application's connection.
type replica struct {
	*cdc.Store
	app *sql.DB
	pos int64 // of the last batch that was taken
}

var replicas byte

// newReplica opens a store on a new database and watches its one table.
func newReplica(tb testing.TB, statement, table, policy string) *replica {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "store.db")
	app := openWAL(tb, path)
	execute(tb, app, statement)
	return watched(tb, path, app, table, policy)
}

// watched opens a store on a database and watches a table of it.
func watched(tb testing.TB, path string, app *sql.DB, table, policy string) *replica {
	tb.Helper()
	replicas++
	key := ed25519.NewKeyFromSeed(append(make([]byte, 31), replicas))
	s, err := cdc.Open(tb.Context(), cdc.Options{
		Path: path, Node: merge.NodeID(key.Public().(ed25519.PublicKey)),
		Sign: func(h wire.Hash) []byte { return ed25519.Sign(key, h[:]) },
		Verify: func(o merge.NodeID, h wire.Hash, sig []byte) bool {
			return ed25519.Verify(o[:], h[:], sig)
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := s.Watch(tb.Context(), []string{table}, cdc.WatchOptions{Policy: policy}); err != nil {
		tb.Fatal(err)
	}
	return &replica{Store: s, app: app}
}

// close closes both, and frees their files' space before the benchmark ends.
func (r *replica) close(tb testing.TB) {
	tb.Helper()
	if err := r.Store.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := r.app.Close(); err != nil {
		tb.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		os.Remove(r.Path() + suffix)
	}
}

// seal seals what the application has committed and returns how long it took.
func (r *replica) seal(tb testing.TB) time.Duration {
	tb.Helper()
	start := time.Now()
	if err := r.Seal(tb.Context(), cdc.DefaultDataset); err != nil {
		tb.Fatal(err)
	}
	return time.Since(start)
}

// take returns the batches that have come to be held since it was called last.
func (r *replica) take(tb testing.TB) (batches []*wire.Sealed) {
	tb.Helper()
	list, err := r.Stream(cdc.DefaultDataset).After(context.Background(), r.pos, 1<<30)
	if err != nil {
		tb.Fatal(err)
	}
	for _, h := range list {
		batches, r.pos = append(batches, h.Sealed), h.Pos
	}
	return batches
}

// apply applies batches and returns how long it took.
func (r *replica) apply(tb testing.TB, from *replica, batches []*wire.Sealed) time.Duration {
	tb.Helper()
	start := time.Now()
	if _, err := r.Stream(cdc.DefaultDataset).Apply(tb.Context(), from.Node(), batches); err != nil {
		tb.Fatal(err)
	}
	return time.Since(start)
}
