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
// ascending by name, however long ago: a node that has not moved them by then is
// to hear of it all the more, since what comes here is not merged any more.
func (d *Stream) Moved(ctx context.Context) ([]wire.MovedTable, error) {
	rows, err := d.s.query(ctx, `SELECT t.name, now.name FROM sqlsync_moved AS m JOIN sqlsync_dataset AS was ON was.id = m.dataset_id
		JOIN sqlsync_table AS t ON t.id = m.table_id JOIN sqlsync_dataset AS now ON now.id = t.dataset_id
		WHERE was.name = ? AND t.watched AND now.id <> was.id`, d.name)
	if err != nil {
		return nil, fmt.Errorf("read moved tables: %w", err)
	}
	defer rows.Close()
	var list []wire.MovedTable
	for rows.Next() {
		var m wire.MovedTable
		if err := rows.Scan(&m.Name, &m.Dataset); err != nil {
			return nil, fmt.Errorf("read moved tables: %w", err)
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b wire.MovedTable) int { return strings.Compare(a.Name, b.Name) })
	return list, rows.Err()
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
