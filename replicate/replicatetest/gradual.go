package replicatetest

import (
	"slices"

	"sqlsync/cdc"
	"sqlsync/merge"
)

// Independent are the tables that no statement on another writes.
func Independent() []Table {
	return slices.DeleteFunc(slices.Clone(Tables), func(t Table) bool {
		return t.Touches != nil || t.Deletes != "" || slices.ContainsFunc(Tables, func(o Table) bool {
			return slices.Contains(o.Touches, t.Name) || o.Deletes == t.Name
		})
	})
}

// WatchMore lets a node of a gradual world watch another table, and reports
// whether there was one. It may crash.
func (n *Node) WatchMore() (more bool, err error) {
	n.checkNarrow()
	i := slices.IndexFunc(n.w.tables, func(t Table) bool { return !n.watches[t.Name] })
	if i < 0 {
		return false, nil
	}
	next := &n.w.tables[i]
	if n.away[next.Name] {
		n.fuse = false // see Move
	}
	_, err = n.watched(nil, func() (merge.Vector, error) {
		n.watch(next)
		return nil, nil
	})
	n.watches[next.Name] = n.isIn(next, cdc.DefaultDataset)
	if n.watches[next.Name] {
		delete(n.away, next.Name)
	}
	n.w.Note("watch %d %s %v", n.index, next.Name, err)
	return true, err
}

// isIn asks the file in which dataset a table is: a crash may have come before or
// after the commit.
func (n *Node) isIn(t *Table, dataset string) bool {
	var yes bool
	if err := n.app.QueryRowContext(background, `SELECT EXISTS (SELECT 1 FROM sqlsync_table AS t JOIN sqlsync_dataset AS d ON d.id = t.dataset_id
		WHERE t.name = ? AND t.watched AND d.name = ?)`, t.Name, dataset).Scan(&yes); err != nil {
		n.w.tb.Errorf("node %d: %v", n.index, err)
	}
	return yes
}

// needs reports whether a table is still to be had from a snapshot.
func (n *Node) needs() (some bool) {
	if err := n.app.QueryRowContext(background, `SELECT EXISTS (SELECT 1 FROM sqlsync_table WHERE needs)`).Scan(&some); err != nil {
		n.w.tb.Errorf("node %d: %v", n.index, err)
	}
	return some
}

// Meet makes two nodes each other's remotes.
func (w *World) Meet(a, b int) {
	for _, p := range [][2]*Node{{w.Nodes[a], w.Nodes[b]}, {w.Nodes[b], w.Nodes[a]}} {
		n, o := p[0], p[1]
		n.enter()
		n.checkNarrow()
		n.knows[o.index] = true
		if err := n.store.AddRemote(background, cdc.Remote{Name: o.draw.name, Key: o.id, Pull: true, Push: true}); err != nil {
			w.tb.Errorf("node %d: %v", n.index, err)
		}
		n.have = n.vector()
	}
	w.Note("meet %d %d", a, b)
}

// checkNarrow checks that a node which passes nothing on was sent nothing but
// the tables that it watches.
func (n *Node) checkNarrow() {
	if !n.w.gradual || len(n.knows) > 1 {
		return
	}
	for _, h := range n.batches() {
		for _, sec := range n.w.opened(h.Sealed).Sections {
			if h.Origin != n.id && !n.watches[sec.Table] {
				n.w.tb.Errorf("node %d was sent table %s of batch %d of %v", n.index, sec.Table, h.Seq, h.Origin)
			}
		}
	}
}

// CheckWhole checks that nothing is missing of what anybody holds.
func (w *World) CheckWhole() {
	for _, n := range w.Nodes {
		for _, h := range n.batches() {
			if left, err := h.Sealed.LeftOut(); len(left) > 0 || err != nil {
				w.tb.Errorf("node %d lacks %v of batch %d of %v, %v", n.index, left, h.Seq, h.Origin, err)
			}
		}
	}
}
