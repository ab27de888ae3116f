package sqlconn_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/fixtures"
)

// BenchmarkMerge compares ways to give SQL the rows of a batch of which nobody
// else has written: read what metadata there is, write the rows, write their
// metadata. *rows* is what package cdc does, statements of 64 rows each, by
// turns with *staging*, the same rows put into a TEMP table by the same
// statements and from there by one statement each, and *json*, one document that
// json_each reads. The rounds of all are taken by turns; a ratio is the median
// over the rounds of a way's time to that of rows.
func BenchmarkMerge(b *testing.B) {
	const n, rounds = 512 * 40, 15
	var orders [][]any
	for o := range fixtures.Orders(n) {
		orders = append(orders, o.Values())
	}
	ways := []struct {
		name           string
		insert, update func(*merger, [][]any)
	}{
		{"rows", (*merger).insertRows, (*merger).updateRows},
		{"staging", (*merger).insertStaged, (*merger).updateStaged},
		{"json", (*merger).insertJSON, nil},
	}
	for range b.N {
		ratios := make(map[string][]float64)
		for range rounds {
			var floor [2]time.Duration
			for i, w := range ways {
				m := newMerger(b)
				took := [2]time.Duration{m.run(orders, w.insert)}
				if w.update != nil {
					took[1] = m.run(orders, w.update)
				}
				if i == 0 {
					floor = took
				}
				for j, of := range []string{"-insert-ratio", "-update-ratio"} {
					ratios[w.name+of] = append(ratios[w.name+of], float64(took[j])/float64(floor[j]))
				}
				if got, err := m.c.Int(`SELECT count(*) FROM orders JOIN meta ON k0 = id`); got != n || err != nil {
					b.Fatal(got, err)
				}
				m.close()
			}
		}
		for name, list := range ratios {
			if slices.Sort(list); list[rounds/2] > 0 {
				b.ReportMetric(list[rounds/2], name)
			}
		}
	}
}

type merger struct {
	tb testing.TB
	db *sql.DB
	c  *sqlconn.Conn
}

func newMerger(tb testing.TB) *merger {
	db, err := sql.Open("sqlite", sqlconn.DSN(filepath.Join(tb.TempDir(), "a.db"), "_pragma=journal_mode(wal)", "_pragma=temp_store(2)"))
	if err != nil {
		tb.Fatal(err)
	}
	c, err := sqlconn.Open(tb.Context(), db)
	if err != nil {
		tb.Fatal(err)
	}
	m := &merger{tb, db, c}
	m.exec(`CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, placed_at TEXT, status TEXT, total_cents INTEGER, note TEXT)`)
	m.exec(`CREATE TABLE meta (k0 INTEGER PRIMARY KEY, birth INTEGER NOT NULL, version INTEGER, hashes BLOB)`)
	m.exec(`CREATE TEMP TABLE staging (i INTEGER PRIMARY KEY, k0, birth, hashes, a, b, c, d, e)`)
	return m
}

func (m *merger) close() {
	m.c.Close()
	m.db.Close()
}

func (m *merger) exec(query string, args ...any) {
	if _, err := m.c.Exec(query, args...); err != nil {
		m.tb.Fatal(query[:min(len(query), 60)], err)
	}
}

// run merges rows, 512 at once as package cdc does, in one transaction.
func (m *merger) run(rows [][]any, part func(*merger, [][]any)) time.Duration {
	start := time.Now()
	m.exec(`BEGIN IMMEDIATE`)
	for len(rows) > 0 {
		n := min(512, len(rows))
		part(m, rows[:n])
		rows = rows[n:]
	}
	m.exec(`COMMIT`)
	return time.Since(start)
}

var someHashes = make([]byte, 30)

// many runs a statement of 64 rows as often as rows need.
func (m *merger) many(query, row string, rows [][]any, args func([]any, int, []any) []any, fn func([]any) error) {
	query = fmt.Sprintf(query, strings.TrimSuffix(strings.Repeat(row+", ", 64), ", "))
	var all []any
	for i := 0; i < len(rows); i += 64 {
		all = all[:0]
		for j, r := range rows[i : i+64] {
			all = args(all, i+j, r)
		}
		if fn == nil {
			m.exec(query, all...)
		} else if err := m.c.Query(fn, query, all...); err != nil {
			m.tb.Fatal(err)
		}
	}
}

func (m *merger) lookup(rows [][]any) {
	m.many(`WITH v (k0) AS (VALUES %s) SELECT m.k0, m.birth, m.version, m.hashes FROM v CROSS JOIN meta AS m ON m.k0 = v.k0`, `(?)`, rows,
		func(all []any, _ int, r []any) []any { return append(all, r[0]) }, func([]any) error { return nil })
}

func (m *merger) insertRows(rows [][]any) {
	m.lookup(rows)
	m.many(`INSERT OR ABORT INTO orders VALUES %s`, `(?, ?, ?, ?, ?, ?)`, rows,
		func(all []any, _ int, r []any) []any { return append(all, r...) }, nil)
	m.many(`INSERT OR REPLACE INTO meta (k0, birth, hashes) VALUES %s`, `(?, ?, ?)`, rows,
		func(all []any, i int, r []any) []any { return append(all, r[0], 1<<60+i, someHashes) }, nil)
}

func (m *merger) updateRows(rows [][]any) {
	m.lookup(rows)
	for _, r := range rows {
		m.exec(`UPDATE OR ABORT orders SET status = ?, total_cents = ? WHERE id = ?`, "sent", r[4], r[0])
	}
	m.many(`INSERT OR REPLACE INTO meta (k0, birth, version, hashes) VALUES %s`, `(?, ?, ?, ?)`, rows,
		func(all []any, i int, r []any) []any { return append(all, r[0], 1<<60+i, 1<<61+i, someHashes) }, nil)
}

func (m *merger) stage(rows [][]any) {
	m.exec(`DELETE FROM staging`)
	m.many(`INSERT INTO staging VALUES %s`, `(?, ?, ?, ?, ?, ?, ?, ?, ?)`, rows,
		func(all []any, i int, r []any) []any {
			return append(append(all, i, r[0], 1<<60+i, someHashes), r[1:]...)
		}, nil)
}

func (m *merger) insertStaged(rows [][]any) {
	m.stage(rows)
	m.exec(`INSERT OR ABORT INTO orders SELECT k0, a, b, c, d, e FROM staging AS s
		WHERE NOT EXISTS (SELECT 1 FROM meta AS m WHERE m.k0 = s.k0) ORDER BY i`)
	m.exec(`INSERT INTO meta (k0, birth, hashes) SELECT k0, birth, hashes FROM staging AS s
		WHERE NOT EXISTS (SELECT 1 FROM meta AS m WHERE m.k0 = s.k0) ORDER BY i`)
}

// updateStaged takes it that every row's metadata is older than the batch.
func (m *merger) updateStaged(rows [][]any) {
	m.stage(rows)
	m.exec(`UPDATE OR ABORT orders SET status = 'sent', total_cents = s.d FROM staging AS s JOIN meta AS m ON m.k0 = s.k0
		WHERE orders.id = s.k0 AND m.birth <= s.birth AND m.version IS NULL`)
	m.exec(`UPDATE meta SET version = s.birth + 1, hashes = s.hashes FROM staging AS s
		WHERE meta.k0 = s.k0 AND meta.birth <= s.birth AND meta.version IS NULL`)
}

func (m *merger) insertJSON(rows [][]any) {
	text, err := json.Marshal(rows)
	if err != nil {
		m.tb.Fatal(err)
	}
	m.exec(`INSERT OR ABORT INTO orders SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?) AS s
		WHERE NOT EXISTS (SELECT 1 FROM meta AS m WHERE m.k0 = s.value ->> 0)`, text)
	m.exec(`INSERT INTO meta (k0, birth, hashes) SELECT value ->> 0, ? + key, ? FROM json_each(?) AS s
		WHERE NOT EXISTS (SELECT 1 FROM meta AS m WHERE m.k0 = s.value ->> 0)`, 1<<60, someHashes, string(text))
}
