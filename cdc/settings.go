package cdc

import (
	"context"
	"fmt"
)

// MaxBatchRows bounds the row limit of a seal: a batch must fit into memory.
const MaxBatchRows = 1_000_000

// DatasetSettings are what can be set of a dataset.
type DatasetSettings struct {
	Dataset string
	Enabled bool
	// BatchRows is how many touched rows one seal covers at most.
	BatchRows int64
}

// DatasetSettings lists the datasets.
func (s *Store) DatasetSettings(ctx context.Context) ([]DatasetSettings, error) {
	var list []DatasetSettings
	err := s.look(ctx, func(t *tx) error {
		list = nil
		for _, d := range t.cfg.datasets {
			list = append(list, DatasetSettings{d.name, d.enabled, d.batchRows})
		}
		return nil
	})
	return list, err
}

// SetDataset changes a dataset; 0 rows and a nil enabled leave them as they
// are.
func (s *Store) SetDataset(ctx context.Context, name string, batchRows int64, enabled *bool) error {
	return s.write(ctx, func(t *tx) error {
		d, err := t.dataset(name)
		if err != nil {
			return err
		}
		if batchRows == 0 {
			batchRows = d.batchRows
		}
		on := d.enabled
		if enabled != nil {
			on = *enabled
		}
		if _, err := t.Exec(`UPDATE sqlsync_dataset SET batch_rows = ?, enabled = ? WHERE id = ?`, batchRows, on, d.id); err != nil {
			return fmt.Errorf("change dataset: %w", err)
		}
		return t.changed()
	})
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
