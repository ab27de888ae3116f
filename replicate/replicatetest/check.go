package replicatetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// Equal reports whether every node has what any has.
func (w *World) Equal() bool {
	for _, n := range w.Nodes {
		if !maps.Equal(n.have, w.Nodes[0].have) {
			return false
		}
	}
	if w.moves && slices.ContainsFunc(w.Nodes, func(n *Node) bool { return n.arrived() != w.Nodes[0].arrived() }) {
		return false
	}
	return !w.gradual || !w.pruned || !slices.ContainsFunc(w.Nodes, (*Node).needs)
}

// Settled reports whether, besides, nothing is left to be sealed.
func (w *World) Settled() bool {
	return w.Equal() && !slices.ContainsFunc(w.Nodes, (*Node).pending)
}

// pending reports whether there are marks.
func (n *Node) pending() bool { return n.marked(``) }

func (n *Node) marked(where string) (some bool) {
	if err := n.app.QueryRowContext(background, `SELECT EXISTS (SELECT 1 FROM sqlsync_oplog `+where+`)`).Scan(&some); err != nil {
		n.w.tb.Errorf("node %d: %v", n.index, err)
	}
	return some
}

// Check looks at databases that have exchanged everything.
func (w *World) Check() {
	w.tb.Helper()
	for _, n := range w.Nodes {
		if !maps.Equal(n.vector(), w.Nodes[0].vector()) {
			w.tb.Errorf("node %d has %v, node 0 has %v", n.index, n.vector(), w.Nodes[0].vector())
		}
	}
	for _, n := range w.Nodes {
		w.keep(n)
	}
	m := newModel(w.tables)
	for _, name := range slices.Sorted(maps.Keys(w.batches)) {
		m.add(w.opened(w.batches[name]))
	}
	for _, n := range w.Nodes {
		n.checkFile()
		if !w.pruned && !w.moves && !w.putBack && !w.repolicied { // what was deleted before all had heard of it may stand
			for i := range w.tables {
				n.checkTable(m, &w.tables[i])
			}
			if !w.damaged { // rows may have come instead of batches, and say less
				n.checkConflicts(m)
			}
		}
		n.checkMetadata()
		if got, want := n.text(), w.Nodes[0].text(); got != want {
			w.tb.Errorf("node %d has\n%s\nnode 0 has\n%s", n.index, got, want)
		}
	}
	w.Note("end %v %s", w.Nodes[0].vector(), w.Nodes[0].text())
}

// keep notes the batches that a node holds, for the model, and that none is
// another's with the same number.
func (w *World) keep(n *Node) {
	for _, h := range n.batches() {
		name := fmt.Sprintf("%v/%08d", h.Origin, h.Seq)
		if have := w.batches[name]; have == nil || !have.Whole() && h.Sealed.Hash() == have.Hash() {
			w.batches[name] = h.Sealed
		} else if have.Hash() != h.Sealed.Hash() && !w.forked {
			w.tb.Errorf("node %d has another batch %s than others", n.index, name)
		}
	}
}

// Prune lets a node drop its batches and tombstones, if all others have them but
// the first node, which is taken for long gone and gets rows instead.
func (n *Node) Prune() {
	if n == n.w.Nodes[0] {
		return
	}
	for _, o := range n.w.Nodes[1:] {
		if !merge.Vector(o.vector()).Covers(n.vector()) {
			return
		}
	}
	n.w.keep(n)
	n.w.pruned = true
	n.enter()
	if _, err := n.store.Prune(background, cdc.DefaultDataset, cdc.PruneOptions{All: true}); err != nil && !cdc.IsFull(err) {
		n.w.tb.Errorf("node %d: prune: %v", n.index, err)
	}
}

func (n *Node) batches() []wire.Held {
	list, err := n.Stream.After(background, 0, 1<<30)
	if err != nil {
		n.w.tb.Fatal(err)
	}
	return list
}

func (n *Node) checkTable(m *model, t *Table) {
	want, held := m.expect(t)
	got := n.read(t)
	for key := range want {
		if _, ok := got[key]; !ok {
			n.w.tb.Errorf("node %d: %s %s is not there, want %v", n.index, t.Name, key, want[key])
		}
	}
	for key, row := range got {
		if _, ok := want[key]; !ok {
			n.w.tb.Errorf("node %d: %s %s is %v, should not be there (held: %v)", n.index, t.Name, key, row, held[key])
			continue
		}
		for i := range row {
			if t.Policies[t.Columns[i]] == "" && exact(row[i]) != exact(want[key][i]) {
				n.w.tb.Errorf("node %d: %s %s: %s is %s, want %s", n.index, t.Name, key, t.Columns[i], exact(row[i]), exact(want[key][i]))
			}
		}
	}
}

// text is the node's tables as SQL shows them.
func (n *Node) text() string {
	var b strings.Builder
	for i := range n.w.tables {
		t := &n.w.tables[i]
		parts := make([]string, len(t.Columns))
		for j, c := range t.Columns {
			parts[j] = fmt.Sprintf("typeof(%[1]s) || ' ' || quote(%[1]s)", c)
		}
		r, err := n.app.QueryContext(background, `SELECT `+strings.Join(parts, ` || ', ' || `)+` AS line FROM `+t.Name+` ORDER BY line`)
		if err != nil {
			n.w.tb.Fatal(err)
		}
		for r.Next() {
			var line string
			if err := r.Scan(&line); err != nil {
				n.w.tb.Fatal(err)
			}
			b.WriteString(t.Name + ": " + line + "\n")
		}
		if err := r.Err(); err != nil {
			n.w.tb.Fatal(err)
		}
		r.Close()
	}
	return b.String()
}

// checkFile lets SQLite look at the file.
func (n *Node) checkFile() {
	var got string
	if err := n.app.QueryRowContext(background, `PRAGMA integrity_check`).Scan(&got); err != nil || got != "ok" {
		n.w.tb.Errorf("node %d: integrity_check: %s, %v", n.index, got, err)
	}
	if n.pending() {
		n.w.tb.Errorf("node %d has marks that are not sealed", n.index)
	}
}

// checkMetadata marks every row: a seal must then find nothing.
func (n *Node) checkMetadata() {
	before := n.vector()
	n.enter()
	n.exec(`PRAGMA foreign_keys = 0`) // what was merged may refer to nothing
	defer n.exec(`PRAGMA foreign_keys = 1`)
	for _, t := range n.w.tables {
		c := t.Columns[len(t.Columns)-1]
		n.exec(`UPDATE ` + t.Name + ` SET ` + c + ` = ` + c)
	}
	if _, err := n.Stream.Seal(background); err != nil {
		n.w.tb.Error(err)
	}
	if me := n.store.Author(); n.vector()[me] != before[me] {
		n.have = n.vector()
		n.w.tb.Errorf("node %d: a seal of untouched rows found %+v", n.index, n.ownSince(before))
	}
	n.have = n.vector()
}

// checkConflicts looks at what is listed, and at what is not.
func (n *Node) checkConflicts(m *model) {
	list, err := n.store.Conflicts(background)
	if err != nil {
		n.w.tb.Fatal(err)
	}
	lost := maps.Clone(n.settled)
	unique := make(map[string]bool)
	for _, c := range list {
		if c.Kind == "unique" {
			t := n.w.table(c.Table)
			unique[t.Name+keyOf(t.Key, keyValues(c))] = true
			continue
		}
		w, l := stampOf(c.WinnerVersion), stampOf(c.LoserVersion)
		lost[l.unsigned()] = true
		t := n.w.table(c.Table)
		putBack := t.Policies != nil && c.Kind == "cell"
		by := m.by[w.unsigned()]
		supplanted := (t.Unique != nil || t.Refuses != nil) && // a row held where the winner's author could not see it
			(c.Kind == "key" || c.Kind == "cell" && by != nil && by.op == merge.Insert)
		again := c.Kind == "delete" && m.deletedBeside(t, keyOf(t.Key, keyValues(c)), l)
		if !n.w.gradual && !putBack && !supplanted && !again && !m.concurrent(w, l) { // a gap makes batches say that less was seen
			n.w.tb.Errorf("node %d lists conflict %+v, but its writes are not concurrent", n.index, c)
		}
	}
	for i := range n.w.tables {
		t := &n.w.tables[i]
		_, held := m.expect(t)
		for key := range held {
			if !unique[t.Name+key] {
				n.w.tb.Errorf("node %d: %s %s is held and not listed", n.index, t.Name, key)
			}
			delete(unique, t.Name+key)
		}
		n.checkLost(m, t, lost)
	}
	for key := range unique {
		n.w.tb.Errorf("node %d lists %s as held, which it is not", n.index, key)
	}
}

func keyValues(c cdc.Conflict) (list []any) {
	for _, v := range c.Key {
		list = append(list, v.Value)
	}
	return list
}

func stampOf(v merge.Version) stamp { return stamp{int64(v.HLC), v.Origin} }
