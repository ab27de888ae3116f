package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sqlsync/fixtures"
)

// BenchmarkCapture is what an application pays for being watched. It is the
// sqlite3 program, because the application has SQLite in C.
func BenchmarkCapture(b *testing.B) {
	needSqlite3(b)
	n := sized(500_000)
	// The application makes its rows, as most do; copying rows that are there
	// is the cheapest insert there is.
	b.Run("bulk", func(b *testing.B) { captureOf(b, ordersInserted(n)) })
	b.Run("copy", func(b *testing.B) {
		source := filepath.Join(b.TempDir(), "source.db")
		sqlite3(b, source, ordersTable+`;`+ordersInserted(n))
		captureOf(b, fmt.Sprintf(`ATTACH '%s' AS source; INSERT INTO orders SELECT * FROM source.orders;`, source))
	})
	b.Run("single", func(b *testing.B) {
		var script strings.Builder
		script.WriteString("PRAGMA synchronous = NORMAL;\n")
		for o := range fixtures.Orders(sized(40_000)) {
			fmt.Fprintf(&script, "INSERT INTO orders VALUES (%d, %d, '%s', '%s', %d, 'as usual');\n", o.ID, o.CustomerID, o.PlacedAt, o.Status, o.TotalCents)
		}
		captureOf(b, script.String())
	})
}

// ordersInserted is one statement that inserts n orders.
func ordersInserted(n int) string {
	return fmt.Sprintf(`WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)
		INSERT INTO orders SELECT i, abs(random()) %% 50000, datetime(1767225600 + 7 * i, 'unixepoch'), 'paid',
			abs(random()) %% 100000, printf('till %%d, basket %%x', i %% 12, 7919 * i) FROM c;`, n)
}

// captureOf runs a script on a database without and with triggers.
func captureOf(b *testing.B, script string) {
	for range b.N {
		var c contest
		for range rounds(5) {
			c.cost(millis(runScript(b, false, script)), millis(runScript(b, true, script)))
		}
		c.report(b, "ms")
	}
}

// runScript runs a script of the sqlite3 program on a new database with an
// orders table, and returns how long it took.
func runScript(b *testing.B, watch bool, script string) time.Duration {
	b.Helper()
	dir, err := os.MkdirTemp(b.TempDir(), "app")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	n := newNode(b, dir, "app")
	sqlite3(b, n.path, `PRAGMA journal_mode = wal;`+ordersTable+`;`)
	if watch {
		n.must("watch", "orders")
	}
	return sqlite3(b, n.path, script)
}

// sqlite3 has the sqlite3 program run SQL, and returns how long it took.
func sqlite3(tb testing.TB, path, script string) time.Duration {
	tb.Helper()
	cmd := exec.Command("sqlite3", "-bail", "-cmd", ".timeout 20000", path)
	cmd.Stdin = strings.NewReader(script)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	start := time.Now()
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		tb.Fatalf("sqlite3 %s: %v\n%s", path, err, errs.String())
	}
	return time.Since(start)
}
