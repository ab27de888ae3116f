package cdc

import "time"

// Whoever commits with a write-ahead log that has become long moves it to the
// database, which takes as long as many commits. Serve does so when others know
// of its commit, beside the transactions that follow or while the lock is left
// alone; and a little before an application has to, in a commit of its own.

const (
	// logPages is how many pages of a log are long for SQLite, if nobody says
	// otherwise.
	logPages = 1000
	// checkpointAt is how many are for us.
	checkpointAt = logPages * 9 / 10
	// checkpointMost is how many are too many: who writes all the time lets the log
	// not begin anew, so that nobody of ours does meanwhile.
	checkpointMost = 4 * logPages
	// checkpointRest is a rest in which one is begun.
	checkpointRest = 5 * time.Millisecond
)

const writeCheckpoint = `PRAGMA main.wal_checkpoint(PASSIVE)`

// checkpoint writes one if it is time. The caller has the writer and no
// transaction. That none can be written stops nothing: the next one does.
func (s *Store) checkpoint() {
	if s.w == nil || s.durable.level != 1 {
		return
	}
	var pages, moved int64
	err := s.w.Query(func(row []any) error {
		pages, _ = row[1].(int64)
		moved, _ = row[2].(int64)
		return nil
	}, `PRAGMA main.wal_checkpoint(NOOP)`)
	if err != nil || pages < checkpointAt || moved == pages {
		return
	}
	if pages >= checkpointMost || time.Until(s.shared.until) >= checkpointRest {
		s.w.Exec(writeCheckpoint)
		return
	}
	if s.checkpointing.CompareAndSwap(false, true) {
		s.checkpoints.Go(func() {
			defer s.checkpointing.Store(false)
			// A connection that has read nothing does not know that there is a log.
			s.db.Exec(`SELECT id FROM sqlsync_node; ` + writeCheckpoint)
		})
	}
}
