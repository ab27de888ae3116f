package cdc

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"sqlsync/merge"
	"sqlsync/schema"
)

// DatasetStatus is how a dataset stands.
type DatasetStatus struct {
	Name    string
	Enabled bool
	// Pending counts marks that are not sealed yet, PendingSince is when the
	// oldest was made.
	Pending      int64
	PendingSince time.Time
	// Batches and Bytes are what is held.
	Batches, Bytes int64
	Vector         merge.Vector
	// Tables counts those that are watched.
	Tables int64
	// Confirmed is, per remote, what it has applied durably.
	Confirmed map[string]merge.Vector
	// Private says that batches are encrypted, Keyed that the key is here.
	Private, Keyed bool
}

// Status is how the database stands, as far as the file itself tells.
type Status struct {
	Datasets                    []DatasetStatus
	Conflicts, Violations, Held int64
	// Waiting lists the tables whose changes from peers are held back, and why.
	Waiting map[string]string
	// Gaps lists the tables of which changes are still to come that were not
	// asked for when they were made, as batches or from a snapshot.
	Gaps []string
	// Passing lists the datasets with such changes to tables that are not
	// watched here, to be passed on: nothing that came after them goes to remotes
	// that want these tables.
	Passing []string
	// Absent lists the tables that peers have and that are not watched here.
	Absent []AbsentTable
	// NullKeys lists the tables with rows whose key has a NULL.
	NullKeys []string
	// Lacking lists the columns that peers have and the tables here have not,
	// as table.column.
	Lacking []string
	// Arriving lists the tables that came to their datasets with rows which
	// a remote and this node have not exchanged.
	Arriving []Arriving
	// Imports are the snapshot files that were taken in part.
	Imports []Import
	// Uncompared lists the tables that are still to be compared with remotes.
	Uncompared []Uncompared
	// Overdue lists the datasets that hold what would have been pruned.
	Overdue []Overdue
}

// Overdue says that a dataset keeps batches longer than it would, because a
// remote has not confirmed them.
type Overdue struct {
	Dataset string
	// Since is when the oldest of them was made.
	Since time.Time
	// Remote is one of those that have not.
	Remote string
}

// AbsentTable is a table that is not watched here.
type AbsentTable struct {
	Name, Dataset string
	// Peer is the name of a remote that has it, Exists says that this database
	// has it too.
	Peer   string
	Exists bool
	// In is the dataset in which it is watched here, "" if it is not.
	In string
	// Left says that it was moved here, from Dataset, and not yet there.
	Left bool
}

// Status reads how the database stands.
func (s *Store) Status(ctx context.Context) (*Status, error) {
	st := &Status{Waiting: make(map[string]string)}
	var list []dataset
	tables := make(map[int64]int64) // by dataset
	err := s.look(ctx, func(t *tx) (err error) {
		list = nil
		clear(tables)
		for _, d := range t.cfg.datasets {
			list = append(list, *d)
		}
		clear(st.Waiting)
		st.Lacking, st.Overdue = nil, nil
		for _, d := range t.cfg.datasets {
			if err := st.readOverdue(t, d); err != nil {
				return err
			}
		}
		for _, tab := range t.cfg.tables {
			tables[tab.ds.id]++
			if tab.waiting != "" {
				st.Waiting[tab.name] = tab.waiting
			}
			lacks, err := t.lacks(tab)
			if err != nil {
				return err
			}
			st.Lacking = append(st.Lacking, lacks...)
		}
		if st.Arriving, err = t.readArriving(); err != nil {
			return err
		}
		return st.readAbsent(t)
	})
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		ds, err := s.datasetStatus(ctx, &d)
		if err != nil {
			return nil, fmt.Errorf("read status of %s: %w", d.name, err)
		}
		if ds.Private = d.private; ds.Private {
			_, err := s.datasetKey(d.name)
			ds.Keyed = err == nil
		}
		ds.Tables = tables[d.id]
		st.Datasets = append(st.Datasets, *ds)
	}
	if st.Imports, err = readImports(ctx, s.db); err != nil {
		return nil, err
	}
	if st.Uncompared, err = s.Uncompared(ctx); err != nil {
		return nil, err
	}
	err = s.db.QueryRowxContext(ctx, `SELECT (SELECT count(*) FROM sqlsync_conflict WHERE dismissed IS NULL AND rekeyed IS NULL), (SELECT count(*) FROM sqlsync_violation),
		(SELECT count(*) FROM sqlsync_held)`).Scan(&st.Conflicts, &st.Violations, &st.Held)
	if err != nil {
		return nil, err
	}
	if err := s.db.SelectContext(ctx, &st.Gaps, `SELECT name FROM sqlsync_table WHERE watched AND needs UNION SELECT t.name FROM sqlsync_left AS l
		JOIN sqlsync_table AS t ON t.name = l.name COLLATE NOCASE
		WHERE l.wanted AND t.watched AND l.dataset_id IN (SELECT t.dataset_id UNION ALL SELECT dataset_id FROM sqlsync_moved WHERE table_id = t.id) ORDER BY 1`); err != nil {
		return nil, err
	}
	if err := s.db.SelectContext(ctx, &st.Passing, `SELECT DISTINCT d.name FROM sqlsync_left AS l JOIN sqlsync_dataset AS d ON d.id = l.dataset_id
		WHERE l.wanted AND NOT EXISTS (SELECT 1 FROM sqlsync_table AS t WHERE t.watched AND t.name = l.name COLLATE NOCASE) ORDER BY d.name`); err != nil {
		return nil, err
	}
	err = s.db.SelectContext(ctx, &st.NullKeys, `SELECT DISTINCT t.name FROM sqlsync_violation AS v JOIN sqlsync_table AS t ON t.id = v.table_id WHERE v.kind = 'null_key' ORDER BY t.name`)
	return st, err
}

// readOverdue looks at the oldest batch, behind which all others wait.
func (st *Status) readOverdue(t *tx, ds *dataset) error {
	var origin, seq, last int64
	err := t.Query(func(row []any) error {
		origin, seq = row[0].(int64), row[1].(int64)
		last, _ = row[2].(int64)
		return nil
	}, `SELECT origin_id, seq, last FROM sqlsync_batch WHERE dataset_id = ? ORDER BY pos LIMIT 1`, ds.id)
	if err != nil || last == 0 || ds.retentionTime() == 0 || merge.HLC(last) >= merge.At(t.now.Add(-ds.retentionTime())) {
		return err
	}
	node := t.cfg.origins.node[origin]
	limits, err := t.confirmedByAll(ds, chains{node: {Position: merge.Position{Seq: uint64(seq)}}})
	if l := limits[node]; err == nil && l.seq < uint64(seq) {
		st.Overdue = append(st.Overdue, Overdue{ds.name, merge.HLC(last).Time(), l.blocked})
	}
	return err
}

func (st *Status) readAbsent(t *tx) error {
	st.Absent = nil
	err := t.Query(func(row []any) error {
		tab := t.cfg.byName[schema.Fold(row[0].(string))]
		left := tab != nil && slices.ContainsFunc(tab.formers, func(f former) bool { return f.ds.name == row[1] })
		st.Absent = append(st.Absent, AbsentTable{row[0].(string), row[1].(string), row[2].(string), row[3].(int64) > 0, row[4].(string), left})
		return nil
	}, `SELECT a.name, d.name, min(r.name), (SELECT count(*) FROM main.sqlite_master AS m WHERE m.type = 'table' AND m.name = a.name COLLATE NOCASE), coalesce(h.name, '')
		FROM sqlsync_absent AS a JOIN sqlsync_dataset AS d ON d.id = a.dataset_id JOIN sqlsync_remote AS r ON r.key = a.node
		LEFT JOIN sqlsync_table AS t ON t.name = a.name AND t.watched LEFT JOIN sqlsync_dataset AS h ON h.id = t.dataset_id
		WHERE t.id IS NULL OR t.dataset_id <> a.dataset_id GROUP BY a.name, d.name ORDER BY a.name`)
	if err != nil {
		return err
	}
	return st.readElsewhere(t)
}

func (s *Store) datasetStatus(ctx context.Context, d *dataset) (*DatasetStatus, error) {
	ds := &DatasetStatus{Name: d.name, Enabled: d.enabled, Confirmed: make(map[string]merge.Vector)}
	var since sql.NullFloat64
	err := s.db.QueryRowxContext(ctx, `SELECT (SELECT count(*) FROM `+d.oplog()+`), (SELECT at FROM `+d.oplog()+` ORDER BY rowid LIMIT 1),
		(SELECT count(*) FROM sqlsync_batch WHERE dataset_id = ?), (SELECT coalesce(sum(length(sealed)), 0) FROM sqlsync_batch WHERE dataset_id = ?)`,
		d.id, d.id).Scan(&ds.Pending, &since, &ds.Batches, &ds.Bytes)
	if err != nil {
		return nil, err
	}
	if since.Valid {
		ds.PendingSince = ofJulian(since.Float64)
	}
	if ds.Vector, err = s.vector(ctx, d.name); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryxContext(ctx, `SELECT r.name, o.key, w.seq FROM sqlsync_remote AS r
		CROSS JOIN sqlsync_watermark AS w ON w.remote_id = r.id AND w.dataset_id = ? JOIN sqlsync_origin AS o ON o.id = w.origin_id`, d.id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var key []byte
		var p merge.Position
		if err := rows.Scan(&name, &key, &p.Seq); err != nil {
			return nil, err
		}
		if ds.Confirmed[name] == nil {
			ds.Confirmed[name] = make(merge.Vector)
		}
		ds.Confirmed[name][merge.NodeID(key)] = p
	}
	return ds, rows.Err()
}

// Lag counts the changes held in a dataset that a peer has not confirmed.
func (s *Store) Lag(ctx context.Context, dataset string, confirmed merge.Vector) (int64, error) {
	rows, err := s.db.QueryxContext(ctx, `SELECT o.key, b.seq, b.changes FROM sqlsync_batch AS b
		JOIN sqlsync_origin AS o ON o.id = b.origin_id WHERE b.dataset_id = (SELECT id FROM sqlsync_dataset WHERE name = ?)`, dataset)
	if err != nil {
		return 0, fmt.Errorf("count lag: %w", err)
	}
	defer rows.Close()
	var n int64
	for rows.Next() {
		var key []byte
		var seq uint64
		var changes int64
		if err := rows.Scan(&key, &seq, &changes); err != nil {
			return 0, fmt.Errorf("count lag: %w", err)
		}
		if seq > confirmed[merge.NodeID(key)].Seq {
			n += changes
		}
	}
	return n, rows.Err()
}

// Changes counts the changes held.
func (s *Store) Changes(ctx context.Context) (n int64, err error) {
	err = s.db.GetContext(ctx, &n, `SELECT coalesce(sum(changes), 0) FROM sqlsync_batch`)
	return n, err
}
