package cdc

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/wire"
)

// Measure is how much there is of everything that is watched while a database
// is served.
type Measure struct {
	Datasets []DatasetMeasure
	// Conflicts, Violations and Held are as in Status. LastConflict changes
	// when conflicts come or go.
	Conflicts, Violations, Held int64
	LastConflict                int64
	// Waiting counts the tables whose changes from peers are held back.
	Waiting int64
}

// DatasetMeasure is how much there is of a dataset.
type DatasetMeasure struct {
	Name    string
	Enabled bool
	// Pending counts marks that are not sealed yet, PendingSince is the oldest's
	// time, zero for none.
	Pending      int64
	PendingSince time.Time
	// Batches and Bytes are what is held.
	Batches, Bytes int64
	// Lag is by the names of the remotes that get the dataset.
	Lag map[string]LagMeasure
}

// LagMeasure is what a peer has not confirmed.
type LagMeasure struct {
	Changes int64
	// Since is when the oldest of them was made, zero for none.
	Since time.Time
}

// Measure counts in one read transaction and takes no lock. heard is what
// peers have said of late that they have, by the names of remote and dataset;
// the database has it a moment later.
func (s *Store) Measure(ctx context.Context, heard map[string]map[string]merge.Vector) (*Measure, error) {
	remotes, err := s.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	m := new(Measure)
	err = s.peek(ctx, func(t *tx) error {
		if err := t.readDatasets(); err != nil {
			return err
		}
		for _, ds := range t.cfg.datasets {
			d, err := t.measure(ds)
			if err != nil {
				return err
			}
			for _, r := range remotes {
				if !ds.enabled || !r.Direction(ds.name).Push || !r.has(ds.name) {
					continue
				}
				if d.Lag[r.Name], err = t.measureLag(ds, r, heard[r.Name][ds.name]); err != nil {
					return err
				}
			}
			m.Datasets = append(m.Datasets, d)
		}
		return t.Query(func(row []any) error {
			for i, to := range []*int64{&m.Conflicts, &m.LastConflict, &m.Violations, &m.Held, &m.Waiting} {
				*to, _ = row[i].(int64)
			}
			return nil
		}, `SELECT (SELECT count(*) FROM sqlsync_conflict WHERE dismissed IS NULL AND rekeyed IS NULL), (SELECT coalesce(max(rowid), 0) FROM sqlsync_conflict),
			(SELECT count(*) FROM sqlsync_violation), (SELECT count(*) FROM sqlsync_held),
			(SELECT count(DISTINCT d.table_id) FROM sqlsync_disagreement AS d JOIN sqlsync_table AS t ON t.id = d.table_id WHERE t.watched)`)
	})
	if err != nil {
		return nil, fmt.Errorf("measure: %w", err)
	}
	return m, nil
}

func (t *tx) measure(ds *dataset) (d DatasetMeasure, err error) {
	d = DatasetMeasure{Name: ds.name, Enabled: ds.enabled, Lag: make(map[string]LagMeasure)}
	if d.Pending, err = t.Int(`SELECT count(*) FROM ` + ds.oplog()); err != nil {
		return d, err
	}
	err = t.Query(func(row []any) error {
		at, _ := row[0].(float64)
		d.PendingSince = ofJulian(at)
		return sqlconn.Stop
	}, `SELECT at FROM `+ds.oplog()+` ORDER BY rowid LIMIT 1`)
	if err != nil {
		return d, err
	}
	d.Batches, d.Bytes, err = t.s.totals.of(t, ds)
	return d, err
}

// ofJulian is the time of a mark.
func ofJulian(day float64) time.Time {
	const unixEpoch = 2440587.5
	return time.UnixMilli(int64(math.Round((day - unixEpoch) * 86_400_000))).UTC()
}

func (r *Remote) has(dataset string) bool {
	return r.Datasets == nil || slices.Contains(r.Datasets, dataset)
}

// measureLag counts what is held behind what a remote has confirmed.
func (t *tx) measureLag(ds *dataset, r Remote, heard merge.Vector) (LagMeasure, error) {
	var lag LagMeasure
	type chain struct {
		origin merge.NodeID
		id     int64
		after  int64
	}
	var behind []chain
	err := t.Query(func(row []any) error {
		c := chain{merge.NodeID(row[0].([]byte)), row[1].(int64), row[3].(int64)}
		c.after = max(c.after, int64(heard[c.origin].Seq))
		if row[2].(int64) > c.after {
			behind = append(behind, c)
		}
		return nil
	}, `SELECT o.key, v.origin_id, v.seq, coalesce(w.seq, 0) FROM sqlsync_vector AS v JOIN sqlsync_origin AS o ON o.id = v.origin_id
		LEFT JOIN sqlsync_watermark AS w ON w.dataset_id = v.dataset_id AND w.origin_id = v.origin_id
			AND w.remote_id = (SELECT id FROM sqlsync_remote WHERE name = ?) WHERE v.dataset_id = ?`, r.Name, ds.id)
	if err != nil {
		return lag, err
	}
	for _, c := range behind {
		n, err := t.Int(`SELECT coalesce(sum(changes), 0) FROM sqlsync_batch WHERE dataset_id = ? AND origin_id = ? AND seq > ?`, ds.id, c.id, c.after)
		if err != nil {
			return lag, err
		}
		lag.Changes += n
		since, err := t.firstAfter(ds, c.id, c.after)
		if err != nil {
			return lag, err
		}
		if lag.Since.IsZero() || since.Before(lag.Since) {
			lag.Since = since
		}
	}
	return lag, nil
}

// firstAfter is when the first change of a chain behind a place was made.
func (t *tx) firstAfter(ds *dataset, origin, after int64) (at time.Time, err error) {
	err = t.Query(func(row []any) error {
		sealed, err := wire.ParseSealed(row[0].([]byte))
		if err != nil {
			return errDamaged
		}
		h, _, err := sealed.Header()
		if err != nil {
			return errDamaged
		}
		at = h.First.Time()
		return sqlconn.Stop
	}, `SELECT sealed FROM sqlsync_batch WHERE dataset_id = ? AND origin_id = ? AND seq > ? ORDER BY seq LIMIT 1`, ds.id, origin, after)
	return at, err
}
