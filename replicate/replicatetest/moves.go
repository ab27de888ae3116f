package replicatetest

import (
	"context"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// awayFrom is the dataset of the tables that are away.
const awayFrom = "away"

// Move lets a node put a table into the dataset that has no peers, or back.
func (n *Node) Move() error {
	n.fuse = false // it seals twice, and what the first has sealed would be gone unseen
	t := &n.w.tables[n.w.rand.IntN(len(n.w.tables))]
	to := awayFrom
	switch {
	case n.away[t.Name]:
		to = cdc.DefaultDataset
	case !n.watches[t.Name]:
		return nil
	}
	_, err := n.watched(nil, func() (merge.Vector, error) {
		n.enter()
		_, err := n.store.Watch(background, []string{t.Name}, cdc.WatchOptions{Dataset: to}) // refused while it waits
		return nil, err
	})
	if n.away[t.Name] = n.isIn(t, awayFrom); !n.away[t.Name] {
		n.watches[t.Name] = true
	}
	n.w.Note("move %d %s %v %v", n.index, t.Name, n.away[t.Name], err)
	return err
}

// Return puts a table that is away back, and reports whether there was one.
func (n *Node) Return() bool {
	for i := range n.w.tables {
		if t := &n.w.tables[i]; n.away[t.Name] {
			n.fuse = false
			n.watched(nil, func() (merge.Vector, error) {
				n.watchIn(t, cdc.DefaultDataset)
				return nil, nil
			})
			n.away[t.Name], n.watches[t.Name] = false, true
			return true
		}
	}
	return false
}

// NoteArrivals is Stream's.
func (n *Node) NoteArrivals(_ context.Context, peer merge.NodeID, offers []wire.TableOffer) (news bool, err error) {
	err = n.guarded(func() (err error) {
		news, err = n.Stream.NoteArrivals(background, peer, offers)
		return err
	})
	return news, err
}

// arrived is what has arrived of tables that were moved.
func (n *Node) arrived() (text string) {
	if err := n.app.QueryRowContext(background, `SELECT coalesce(group_concat(line), '') FROM (SELECT t.name || hex(a.author) || a.hlc AS line
		FROM sqlsync_arrival AS a JOIN sqlsync_table AS t ON t.id = a.table_id WHERE a.holder = x'' ORDER BY line)`).Scan(&text); err != nil {
		n.w.tb.Errorf("node %d: %v", n.index, err)
	}
	return text
}
