package cdc

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// Moved lists the tables that were in the dataset and are in another now,
// ascending by name, for as long as what comes here is still merged.
func (d *Stream) Moved(ctx context.Context) ([]wire.MovedTable, error) {
	var list []wire.MovedTable
	err := d.s.look(ctx, func(t *tx) error {
		list = nil
		for _, tab := range t.cfg.tables {
			if slices.ContainsFunc(tab.formers, func(f former) bool { return f.ds.name == d.name }) {
				list = append(list, wire.MovedTable{Name: tab.name, Dataset: tab.ds.name})
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b wire.MovedTable) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

// NoteMoved keeps which tables of the dataset a peer has in others.
func (d *Stream) NoteMoved(ctx context.Context, peer merge.NodeID, moved []wire.MovedTable) error {
	same := false
	err := d.s.look(ctx, func(t *tx) error {
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		have, err := t.movedBy(ds, peer)
		same = slices.Equal(have, moved)
		return err
	})
	if err != nil || same {
		return err
	}
	return d.s.write(ctx, func(t *tx) error {
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		if _, err := t.Exec(`DELETE FROM sqlsync_elsewhere WHERE node = ? AND dataset_id = ?`, peer[:], ds.id); err != nil {
			return fmt.Errorf("note moved tables: %w", err)
		}
		for _, m := range moved {
			if _, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_elsewhere (node, dataset_id, name, moved_to) VALUES (?, ?, ?, ?)`,
				peer[:], ds.id, m.Name, m.Dataset); err != nil {
				return fmt.Errorf("note moved tables: %w", err)
			}
		}
		return nil
	})
}

func (t *tx) movedBy(ds *dataset, peer merge.NodeID) (list []wire.MovedTable, err error) {
	err = t.Query(func(row []any) error {
		list = append(list, wire.MovedTable{Name: row[0].(string), Dataset: row[1].(string)})
		return nil
	}, `SELECT name, moved_to FROM sqlsync_elsewhere WHERE node = ? AND dataset_id = ? ORDER BY name`, peer[:], ds.id)
	return list, err
}

// readElsewhere adds the tables that peers have moved and this node has not, of
// whose new dataset nothing need be known here.
func (st *Status) readElsewhere(t *tx) error {
	return t.Query(func(row []any) error {
		tab := t.cfg.byName[schema.Fold(row[0].(string))]
		if tab == nil || tab.ds.id != row[2].(int64) {
			return nil
		}
		a := AbsentTable{Name: tab.name, Dataset: row[1].(string), Peer: row[3].(string), Exists: true, In: tab.ds.name}
		if !slices.ContainsFunc(st.Absent, func(b AbsentTable) bool { return b.Name == a.Name && b.Dataset == a.Dataset }) {
			st.Absent = append(st.Absent, a)
		}
		return nil
	}, `SELECT e.name, e.moved_to, e.dataset_id, min(r.name) FROM sqlsync_elsewhere AS e JOIN sqlsync_remote AS r ON r.key = e.node
		GROUP BY e.name, e.moved_to, e.dataset_id ORDER BY e.name`)
}
