package cdc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// A table needs a snapshot where changes to it are not to be had in batches:
// they were pruned when it was not watched, or are behind a snapshot that did
// not tell the table whole. Which peer has it is found by what peers offer.

// need notes that a table is still to be had from a snapshot.
func (t *tx) need(tab *table) error {
	_, err := t.Exec(`UPDATE sqlsync_table SET needs = max(coalesce(needs, 0), 1) WHERE id = ?`, tab.id)
	return err
}

// needWhole is need, also of rows whose versions are the peer's: it has a column
// that was not here when they came.
func (t *tx) needWhole(tab *table) error {
	_, err := t.Exec(`UPDATE sqlsync_table SET needs = 2 WHERE id = ?`, tab.id)
	return err
}

// needsWhole reports what needWhole has noted.
func (t *tx) needsWhole(tab *table) (bool, error) {
	n, err := t.Int(`SELECT needs FROM sqlsync_table WHERE id = ?`, tab.id)
	return n == 2, err
}

// tell notes that a peer's snapshot begins to tell a table that is watched
// here, and tells it whole. One that comes to be watched half way is not told.
func (t *tx) tell(ds *dataset, peer merge.NodeID, table string) error {
	tab := t.cfg.byName[schema.Fold(table)]
	if tab == nil || tab.ds.id != ds.id {
		return nil
	}
	told, err := t.toldTables(ds, peer)
	if err != nil {
		return err
	}
	b, err := json.Marshal(append(told, schema.Fold(table)))
	if err != nil {
		return err
	}
	_, err = t.Exec(`UPDATE sqlsync_snapshot SET told = ? WHERE dataset_id = ? AND peer = ?`, string(b), ds.id, peer[:])
	return err
}

// toldTables are the tables that a snapshot on its way here has told whole.
func (t *tx) toldTables(ds *dataset, peer merge.NodeID) (names []string, err error) {
	err = t.Query(func(row []any) error {
		text, ok := row[0].(string)
		if !ok {
			return nil
		}
		return json.Unmarshal([]byte(text), &names)
	}, `SELECT told FROM sqlsync_snapshot WHERE dataset_id = ? AND peer = ?`, ds.id, peer[:])
	return names, err
}

// weighNeeds says anew which tables are to be had from a snapshot, after one
// has ended: not those that it told. If it stands for batches that are not
// here, they may have had changes to the others.
func (t *tx) weighNeeds(ds *dataset, peer merge.NodeID, missed bool) error {
	told, err := t.toldTables(ds, peer)
	if err != nil {
		return err
	}
	for _, tab := range t.cfg.tables {
		switch {
		case tab.ds.id != ds.id:
		case !slices.Contains(told, schema.Fold(tab.name)):
			if missed {
				err = t.need(tab)
			}
		case tab.waiting == "":
			var n int64
			n, err = t.Exec(`UPDATE sqlsync_table SET needs = NULL WHERE id = ? AND needs AND id NOT IN (SELECT table_id FROM sqlsync_disagreement)`, tab.id)
			if err == nil && n > 0 && len(tab.arrivals) > 0 {
				if err = t.arrive(tab); err == nil { // others may have settled with what was here before
					err = t.changed()
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Needs reports whether a table of the dataset that a peer offers is to be had
// from a snapshot, because what it would have been told is not to be had, or
// because rows came into the dataset with the table when it was moved.
func (d *Stream) Needs(ctx context.Context, offers []wire.TableOffer) (bool, error) {
	rows, err := d.s.query(ctx, `SELECT t.name FROM sqlsync_table AS t JOIN sqlsync_dataset AS d ON d.id = t.dataset_id
		WHERE d.name = ? AND t.watched AND t.needs`, d.name)
	if err != nil {
		return false, fmt.Errorf("read needs: %w", err)
	}
	defer rows.Close()
	needs := false
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return false, fmt.Errorf("read needs: %w", err)
		}
		needs = needs || slices.ContainsFunc(offers, func(o wire.TableOffer) bool { return equalNames(o.Name, name) })
	}
	if err := rows.Err(); err != nil || needs {
		return needs, err
	}
	err = d.s.look(ctx, func(t *tx) error {
		ds, err := t.dataset(d.name)
		needs = err == nil && t.lacksArrivals(ds, offers)
		return err
	})
	return needs, err
}
