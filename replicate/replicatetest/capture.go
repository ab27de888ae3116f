package replicatetest

import (
	"maps"
	"math"
	"slices"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// capture checks that nothing that an application commits is passed over: when
// a store's call is done, each difference between a table as the last call
// left it and as it was before this one is in a change of the node's own.
type capture struct {
	// known are the tables as the last call left them.
	known map[string]rows
	// touched are the tables that were written since.
	touched map[string]bool
	// have is the vector after the last call.
	have merge.Vector
	// partly says that a call may have sealed a part, because the disk was full.
	partly bool
	// ownPos is the place of the last own batch that was looked at.
	ownPos int64
}

func newCapture() capture {
	return capture{known: make(map[string]rows), touched: make(map[string]bool)}
}

func (n *Node) touch(table string) { n.touched[table] = true }

// look takes the tables as they are in a file that was opened. What was written
// before a crash is still to be sealed, unless the file is an older one.
func (n *Node) look(older bool) {
	if older {
		clear(n.touched)
		n.ownPos = 0
	}
	n.have = n.vector()
	for i := range n.w.tables {
		if t := &n.w.tables[i]; !n.touched[t.Name] {
			n.known[t.Name] = n.read(t)
		}
	}
}

// watched makes a call that may seal, and write the tables named.
func (n *Node) watched(tables []string, call func() (merge.Vector, error)) (v merge.Vector, err error) {
	if n.w.gradual || n.w.repolicied { // a table that was watched late, or waits, may be merged at any time
		tables = n.w.names()
	}
	before := make(map[string]rows)
	for name := range n.touched {
		before[name] = n.read(n.w.table(name))
	}
	had := n.have
	err = n.guarded(func() (err error) { v, err = call(); return err })
	if err == ErrCrashed {
		return nil, err
	}
	n.have = n.vector()
	own := n.ownSince(had)
	n.w.Note("call %d %v %v %d", n.index, n.have, err != nil, len(own))
	n.partly = n.partly || cdc.IsFull(err)
	if err == nil && (!n.w.moves || !n.marked(`WHERE dataset_id = 1`)) || len(own) > 0 { // not all calls seal
		for _, name := range slices.Sorted(maps.Keys(before)) {
			if !n.partly {
				n.compare(n.w.table(name), before[name], own)
			}
		}
		for name := range n.touched {
			tables = append(tables, name)
		}
		clear(n.touched)
		n.partly = n.partly && err != nil
	}
	for _, name := range tables {
		if t := n.w.table(name); t != nil && !n.touched[name] {
			n.known[name] = n.read(t)
		}
	}
	for _, name := range tables {
		if t := n.w.table(name); t != nil && t.Deletes != "" {
			n.known[t.Deletes] = n.read(n.w.table(t.Deletes))
		}
	}
	return v, err
}

// ownSince opens what the node has sealed since it had the vector.
func (n *Node) ownSince(had merge.Vector) (list []*wire.Batch) {
	if n.have[n.id].Seq == had[n.id].Seq {
		return nil
	}
	have := make(merge.Vector)
	for _, o := range n.w.Nodes {
		have[o.id] = merge.Position{Seq: math.MaxUint64}
	}
	have[n.id] = had[n.id]
	held, err := n.Stream.AfterExcept(background, n.ownPos, have, nil, 1<<30)
	if err != nil {
		n.w.tb.Fatal(err)
	}
	for _, h := range held {
		n.ownPos = h.Pos
		list = append(list, n.w.opened(h.Sealed))
		hash := h.Sealed.Hash()
		n.w.Note("sealed %d/%d %x", n.index, h.Seq, hash[:8])
	}
	return list
}

func (w *World) opened(s *wire.Sealed) *wire.Batch {
	b, err := s.Open(wire.Limits{})
	if err != nil {
		w.tb.Fatal(err)
	}
	return b
}

// compare checks one table.
func (n *Node) compare(t *Table, now rows, own []*wire.Batch) {
	if n.w.pruned || n.w.putBack { // the batches may be gone, or another author's
		return
	}
	was := n.known[t.Name]
	for key, row := range now {
		old, knew := was[key]
		changed := changeOf(t, key, own)
		for i, v := range row {
			if knew && exact(old[i]) == exact(v) || n.policiesOf(t)[t.Columns[i]] == "max" { // which may be put back
				continue
			}
			got, carried := carries(changed, t.Columns[i])
			switch {
			case carried && exact(got) != exact(v):
				n.w.tb.Errorf("node %d: %s %s: %s is %s, its change says %s", n.index, t.Name, key, t.Columns[i], exact(v), exact(got))
			case !carried && knew && !t.isKey(i), changed == nil:
				n.w.tb.Errorf("node %d: %s %s: %s became %s without a change", n.index, t.Name, key, t.Columns[i], exact(v))
			}
		}
	}
	for key := range was {
		if _, there := now[key]; !there {
			if c := changeOf(t, key, own); c == nil || c.Op != merge.Delete {
				n.w.tb.Errorf("node %d: %s %s went without a change", n.index, t.Name, key)
			}
		}
	}
}

func (t *Table) isKey(place int) bool {
	return slices.ContainsFunc(t.Key, func(c Column) bool { return c.Name == t.Columns[place] })
}

// named is a change with the names of its columns.
type named struct {
	*wire.Change
	columns []string
}

func changeOf(t *Table, key string, batches []*wire.Batch) *named {
	for _, b := range batches {
		for i := range b.Sections {
			sec := &b.Sections[i]
			for j := range sec.Changes {
				if c := &sec.Changes[j]; sec.Table == t.Name && keyOf(t.Key, c.Key) == key {
					return &named{c, sec.Columns}
				}
			}
		}
	}
	return nil
}

// carries returns the value that a change gives a column.
func carries(c *named, column string) (any, bool) {
	if c == nil {
		return nil, false
	}
	for i, v := range c.Values {
		place := i
		if c.Op == merge.Update {
			place = c.Columns[i]
		}
		if c.columns[place] == column {
			return v, true
		}
	}
	return nil, false
}

// sectionsOf names the tables that batches are about.
func sectionsOf(batches []*wire.Sealed) (tables []string) {
	for _, b := range batches {
		_, dir, err := b.Header()
		if err != nil {
			continue
		}
		for _, d := range dir {
			tables = append(tables, d.Table)
		}
	}
	return tables
}
