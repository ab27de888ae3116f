package e2e_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"sqlsync/cdc"
)

// BenchmarkDeferred is how many of 300 transactions that read and then write are
// refused beside serve, with a write-ahead log. There is nobody else: without
// serve none is.
func BenchmarkDeferred(b *testing.B) {
	for range b.N {
		p := newPair(b, nil)
		for _, gap := range []time.Duration{2 * time.Millisecond, 10 * time.Millisecond} {
			for _, timeout := range []int{0, 5000} {
				db, err := sql.Open("sqlite", cdc.AppDSN(p.a.path)+fmt.Sprintf("&_pragma=busy_timeout(%d)", timeout))
				if err != nil {
					b.Fatal(err)
				}
				db.SetMaxOpenConns(1)
				refused := 0
				for range 300 {
					if readThenWrite(db) != nil {
						refused++
					}
					time.Sleep(gap)
				}
				db.Close()
				b.ReportMetric(float64(refused), fmt.Sprintf("refused-%v-timeout-%d", gap, timeout))
			}
		}
		b.ReportMetric(0, "ns/op")
	}
}

func readThenWrite(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var id int
	if err := tx.QueryRow(`SELECT coalesce(max(id), 0) + 1 FROM orders`).Scan(&id); err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO orders (id, status) VALUES (?, 'new')`, id); err != nil {
		return err
	}
	return tx.Commit()
}
