package cdc

import (
	"fmt"
	"testing"

	"sqlsync/cdc/internal/sqlconn"
)

// A long log is moved to the database after a commit, by who follows; otherwise
// SQLite does so with it.
func TestLongLogsAreMoved(t *testing.T) {
	s := follows(t)
	for _, q := range []string{`PRAGMA journal_mode = WAL`, `CREATE TABLE large (v)`} {
		if _, err := s.w.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	fill := func(pages int) {
		t.Helper()
		if err := s.write(t.Context(), func(x *tx) error {
			_, err := x.Exec(fmt.Sprintf(`INSERT INTO large VALUES (zeroblob(%d))`, 4096*pages))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		s.checkpoints.Wait()
	}
	log := func() (pages, moved int64) {
		t.Helper()
		if err := s.w.Query(func(row []any) error {
			pages, moved = row[1].(int64), row[2].(int64)
			return sqlconn.Stop
		}, `PRAGMA main.wal_checkpoint(NOOP)`); err != nil {
			t.Fatal(err)
		}
		return pages, moved
	}
	for round, large := range []int{checkpointAt, checkpointMost} { // beside others, and at once
		fill(1) // what was moved begins anew
		if pages, moved := log(); moved > 0 || pages >= checkpointAt {
			t.Errorf("round %d: of %d pages %d are moved, want none", round, pages, moved)
		}
		fill(large)
		if pages, moved := log(); moved != pages || pages < int64(large) {
			t.Errorf("round %d: of %d pages %d are moved, want all of at least %d", round, pages, moved, large)
		}
	}
	for following, want := range map[bool]int64{true: 0, false: logPages} {
		s.durable.later.Store(following)
		fill(1)
		if got, err := s.w.Int(`PRAGMA wal_autocheckpoint`); err != nil || got != want {
			t.Errorf("following %v: a commit of %d pages writes a checkpoint, want %d; %v", following, got, want, err)
		}
	}
}
