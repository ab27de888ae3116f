package cdc

import (
	"context"
	"fmt"
	"time"
)

// MaxInterval bounds how rarely a dataset is sealed.
const MaxInterval = 24 * time.Hour

// MaxPriority bounds the priorities of datasets, and -MaxPriority too.
const MaxPriority = 100

// MaxBatchRows bounds the row limit of a seal: a batch must fit into memory.
const MaxBatchRows = 1_000_000

// DatasetSettings are what can be set of a dataset.
type DatasetSettings struct {
	Dataset string
	Enabled bool
	// BatchRows is how many touched rows one seal covers at most.
	BatchRows int64
	// FollowSchema says that tables and columns which peers have and this
	// database has not are made here.
	FollowSchema bool
	// Retention is for how long batches, tombstones and conflicts are kept that
	// everybody has, 0 for ever. RetentionBytes is how much of batches, 0 for
	// no bound.
	Retention      time.Duration
	RetentionBytes int64
	// Priority says whose transactions go first, the higher one's. Rate is how
	// many changes are sealed, and how many applied, per second at most, and
	// Interval how long it is at least from one seal to the next; 0 is no bound.
	Priority int64
	Rate     int64
	Interval time.Duration
	// AllTables says that peers are asked for all tables, and not only for
	// those that are watched, because there is a remote to pass them on to.
	AllTables bool
	// Private says that batches are encrypted, Keyed that the key is here, and Used
	// that something is in the dataset.
	Private, Keyed, Used bool
}

// DatasetSettings lists the datasets.
func (s *Store) DatasetSettings(ctx context.Context) ([]DatasetSettings, error) {
	var list []DatasetSettings
	err := s.look(ctx, func(t *tx) error {
		list = nil
		for _, d := range t.cfg.datasets {
			used, err := t.used(d)
			if err != nil {
				return err
			}
			list = append(list, DatasetSettings{d.name, d.enabled, d.batchRows, d.follows, d.retentionTime(), d.retentionBytes,
				d.priority, d.rate, time.Duration(d.pause) * time.Millisecond, d.wants == nil,
				d.private, d.private && t.canSeal(d) == nil, used})
		}
		return nil
	})
	return list, err
}

// DatasetChange is what to change of a dataset; what is nil stays.
type DatasetChange struct {
	Enabled      *bool
	BatchRows    *int64
	FollowSchema *bool
	// Retention is as in DatasetSettings.
	Retention      *time.Duration
	RetentionBytes *int64
	Priority, Rate *int64
	Interval       *time.Duration
}

// SetDataset changes a dataset.
func (s *Store) SetDataset(ctx context.Context, name string, c DatasetChange) error {
	return s.write(ctx, func(t *tx) error {
		d, err := t.dataset(name)
		if err != nil {
			return err
		}
		set(&d.enabled, c.Enabled)
		set(&d.batchRows, c.BatchRows)
		set(&d.follows, c.FollowSchema)
		set(&d.retentionBytes, c.RetentionBytes)
		set(&d.priority, c.Priority)
		set(&d.rate, c.Rate)
		if c.Retention != nil {
			d.retention = c.Retention.Milliseconds()
		}
		if c.Interval != nil {
			d.pause = c.Interval.Milliseconds()
		}
		if _, err := t.Exec(`UPDATE sqlsync_dataset SET batch_rows = ?, enabled = ?, follows = ?, retention = ?, retention_bytes = ?,
			priority = ?, rate = ?, pause = ? WHERE id = ?`,
			d.batchRows, d.enabled, d.follows, d.retention, d.retentionBytes, d.priority, d.rate, d.pause, d.id); err != nil {
			return fmt.Errorf("change dataset: %w", err)
		}
		return t.changed()
	})
}

func set[T any](to *T, v *T) {
	if v != nil {
		*to = *v
	}
}

// Disabled reports whether there is a dataset of this name that is disabled.
func (s *Store) Disabled(name string) bool {
	var n int
	if err := s.db.Get(&n, `SELECT count(*) FROM sqlsync_dataset WHERE name = ? AND NOT enabled`, name); err != nil {
		s.log.Error("read datasets", "err", s.explain(err))
	}
	return n > 0
}

// Datasets returns the names of the enabled datasets, none if they cannot be
// read.
func (s *Store) Datasets() []string {
	var names []string
	if err := s.db.Select(&names, `SELECT name FROM sqlsync_dataset WHERE enabled ORDER BY id`); err != nil {
		s.log.Error("read datasets", "err", s.explain(err))
	}
	return names
}
