package wire

import (
	"sqlsync/merge"
)

// decodeSection reads a payload. Everything is allocated only after the limits
// have been seen to hold.
func decodeSection(b []byte, l Limits) (*Section, error) {
	r := reader{b: b}
	s := &Section{Key: r.columnNames(), Columns: r.columnNames()}
	s.Changes = make([]Change, r.count(1, l.MaxChanges))
	inserts, updates := r.kinds(s.Changes)
	r.times(s.Changes)
	r.births(s.Changes)
	cells := cellReader{reader: &r, s: s, left: l.MaxCells}
	cells.keys()
	cells.inserts(inserts)
	cells.values(inserts, updates)
	if err := r.end(); err != nil {
		return nil, err
	}
	return s, nil
}

// columnNames reads the names of a table's columns.
func (r *reader) columnNames() []string {
	n := r.count(1, maxColumns)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.name()
	}
	return list
}

// kinds reads what the changes do, and returns which are inserts and which
// updates.
func (r *reader) kinds(changes []Change) (inserts, updates []int) {
	last := byte(0xff)
	for i := 0; i < len(changes); {
		kind := r.byte()
		run := r.count(0, len(changes)-i)
		if r.err == nil && (kind > changeDelete || kind == last || run == 0) {
			r.fail("bad run of kinds")
		}
		if r.err != nil {
			return nil, nil
		}
		for end := i + run; i < end; i++ {
			c := &changes[i]
			switch kind {
			case changeInsert, changeBaseline:
				c.Op, c.Baseline = merge.Insert, kind == changeBaseline
				inserts = append(inserts, i)
			case changeUpdate:
				c.Op = merge.Update
				updates = append(updates, i)
			case changeDelete:
				c.Op = merge.Delete
			}
		}
		last = kind
	}
	return inserts, updates
}

func (r *reader) times(changes []Change) {
	last := merge.HLC(0)
	for i := range changes {
		d := r.uvarint()
		next := last + merge.HLC(d)
		if r.err == nil && (d == 0 || next <= last) {
			r.fail("timestamps do not rise")
		}
		changes[i].HLC = next
		last = next
	}
}

func (r *reader) births(changes []Change) {
	origins := make([]merge.NodeID, r.count(32, len(r.b)))
	for i := range origins {
		copy(origins[i][:], r.take(32))
	}
	if !distinct(origins) {
		r.fail("an origin of births is named twice")
	}
	used := 0
	last := merge.HLC(0)
	for i := range changes {
		if changes[i].Op == merge.Insert {
			continue
		}
		o := r.uvarint()
		if r.err == nil && (o >= uint64(len(origins)) || o > uint64(used)) {
			r.fail("bad origin of a birth")
		}
		if r.err != nil {
			return
		}
		if o == uint64(used) {
			used++
		}
		last += merge.HLC(r.varint())
		changes[i].Birth = merge.Version{HLC: last, Origin: origins[o]}
	}
	if used != len(origins) {
		r.fail("origins without a birth")
	}
}

func distinct(list []merge.NodeID) bool {
	if len(list) < 2 {
		return true
	}
	seen := make(map[merge.NodeID]bool, len(list))
	for _, o := range list {
		seen[o] = true
	}
	return len(seen) == len(list)
}
