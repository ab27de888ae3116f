package cdc

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// Batches with values for a column that is not here are kept until it comes, but
// not for ever: not where every remote has the table with the same columns as this
// node, so that the column was dropped everywhere, and no longer than a remote is
// waited for. When the column comes after all, the table is had from a peer.

// lackFor is for how long values are kept at least for a column that is not here.
func (ds *dataset) lackFor() time.Duration { return max(ds.retentionTime(), DefaultMaxOffline) }

// lackGone notes columns that a snapshot tells and its table has not: no batch has
// their values.
func (t *tx) lackGone(tab *table, columns []string) error {
	for _, name := range columns {
		if tab.cellNamed(name) >= 0 || isShadow(name) {
			continue
		}
		n, err := t.Exec(`UPDATE sqlsync_lack SET gone = 1 WHERE table_id = ? AND name = ?`, tab.id, name)
		if err == nil && n == 0 {
			_, err = t.Exec(`INSERT OR IGNORE INTO sqlsync_lack (table_id, name, pos, gone) VALUES (?, ?, 0, 1)`, tab.id, name)
		}
		if err != nil {
			return fmt.Errorf("note a column that is not there: %w", err)
		}
		tab.lacking[schema.Fold(name)] += 0 // it is lacking, from no place on
	}
	return nil
}

// lackedFrom is the place of the first batch that is kept for a column that is
// not here, 0 if none is.
func (t *tx) lackedFrom(ds *dataset) (from int64, err error) {
	oldest := merge.At(t.now.Add(-ds.lackFor()))
	for _, tab := range t.cfg.tables {
		dropped := tab.def == nil
		for _, pos := range tab.lackedIn(ds) {
			if from > 0 && from <= pos {
				continue
			}
			if !dropped {
				if dropped, err = t.droppedAll(tab); err != nil {
					return 0, err
				}
			}
			last, err := t.Int(`SELECT last FROM sqlsync_batch WHERE dataset_id = ? AND pos >= ? ORDER BY pos LIMIT 1`, ds.id, pos)
			if err != nil {
				return 0, err
			}
			if !dropped && (last == 0 || merge.HLC(last) >= oldest) {
				from = pos
			}
		}
	}
	return from, nil
}

// lackedIn are the places in a dataset from which on batches have values for
// columns that are not here, by column; in one that the table was in for all.
func (tab *table) lackedIn(ds *dataset) map[string]int64 {
	places := make(map[string]int64)
	was := tab.formerly(ds)
	for name, pos := range tab.lacking {
		if pos > 0 && tab.ds.id != ds.id {
			if pos = 0; was != nil {
				pos = was.orphan
			}
		}
		if pos > 0 {
			places[name] = pos
		}
	}
	return places
}

// lostFor notes for columns that are not here that values up to a place may be
// gone.
func (t *tx) lostFor(ds *dataset, pos int64) error {
	for _, tab := range t.cfg.tables {
		for name, from := range tab.lackedIn(ds) {
			if from > pos {
				continue
			}
			left := tab.lacking[name]
			if tab.ds.id == ds.id {
				left = 0
			}
			if _, err := t.Exec(`UPDATE sqlsync_lack SET pos = ?, gone = 1 WHERE table_id = ? AND name = ?`, left, tab.id, name); err != nil {
				return fmt.Errorf("note a column that is not there: %w", err)
			}
			tab.lacking[name] = left
		}
	}
	return nil
}

// noteShape keeps how a peer says that it has a table.
func (t *tx) noteShape(tab *table, peer merge.NodeID, offers []wire.TableOffer) error {
	var shape any
	if i := slices.IndexFunc(offers, func(o wire.TableOffer) bool { return equalNames(o.Name, tab.name) }); i >= 0 {
		shape = offers[i].Shape
	}
	same, err := t.Int(`SELECT (SELECT shape FROM sqlsync_shape WHERE table_id = ? AND node = ?) IS ?`, tab.id, peer[:], shape)
	switch {
	case err != nil || same > 0:
	case shape == nil:
		_, err = t.Exec(`DELETE FROM sqlsync_shape WHERE table_id = ? AND node = ?`, tab.id, peer[:])
	default:
		_, err = t.Exec(`INSERT OR REPLACE INTO sqlsync_shape (table_id, node, shape) VALUES (?, ?, ?)`, tab.id, peer[:], shape)
	}
	if err != nil {
		return fmt.Errorf("note how a peer has %s: %w", tab.name, err)
	}
	return nil
}

// droppedAll reports whether all remotes have a table with the columns that are
// here, as they last said. Who does not have the table may pass on what others write.
func (t *tx) droppedAll(tab *table) (bool, error) {
	n, err := t.Int(`SELECT count(*) > 0 AND sum(s.shape IS NOT ?1) = 0 FROM sqlsync_remote AS r
		LEFT JOIN sqlsync_shape AS s ON s.table_id = ?2 AND s.node = r.key WHERE r.datasets IS NULL OR instr(r.datasets, ?3)`,
		schema.Shape(tab.def), tab.id, jsonText(tab.ds.name))
	return n > 0, err
}

// lacks lists the columns that peers have and the table has not.
func (t *tx) lacks(tab *table) (names []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(tab.lacking)) {
		if tab.lacking[name] > 0 {
			names = append(names, tab.name+"."+name)
		}
	}
	if len(names) == 0 || tab.def == nil {
		return nil, nil
	}
	if dropped, err := t.droppedAll(tab); err != nil || dropped {
		return nil, err
	}
	return names, nil
}
