package wire

import (
	"sqlsync/merge"
)

// decodeSection reads a payload. Everything is allocated only after the limits
// have been seen to hold.
func decodeSection(b []byte, l Limits) (*Section, error) {
	r := reader{b: b}
	s := &Section{Key: r.strings(), Columns: r.strings()}
	n := r.count(1, l.MaxChanges)
	if r.err == nil && n*(len(s.Key)+len(s.Columns)+1) > l.MaxCells {
		r.fail("more cells than the limit")
	}
	if r.err != nil {
		return nil, r.err
	}
	s.Changes = make([]Change, n)
	updates := r.kinds(s.Changes)
	r.times(s.Changes)
	r.births(s.Changes)
	r.keys(s)
	r.cells(s, updates)
	if err := r.end(); err != nil {
		return nil, err
	}
	return s, nil
}

// kinds reads what the changes do, and returns the indexes of the updates.
func (r *reader) kinds(changes []Change) (updates []int) {
	last := byte(0xff)
	for i := 0; i < len(changes); {
		kind := r.byte()
		run := r.count(0, len(changes)-i)
		if r.err == nil && (kind > changeDelete || kind == last || run == 0) {
			r.fail("bad run of kinds")
		}
		if r.err != nil {
			return nil
		}
		for end := i + run; i < end; i++ {
			c := &changes[i]
			switch kind {
			case changeInsert, changeBaseline:
				c.Op, c.Baseline = merge.Insert, kind == changeBaseline
			case changeUpdate:
				c.Op = merge.Update
				updates = append(updates, i)
			case changeDelete:
				c.Op = merge.Delete
			}
		}
		last = kind
	}
	return updates
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

func (r *reader) keys(s *Section) {
	width := len(s.Key)
	flat := make([]Value, len(s.Changes)*width)
	for i := range s.Changes {
		s.Changes[i].Key = flat[i*width : (i+1)*width : (i+1)*width]
	}
	for k := range s.Key {
		r.column(len(s.Changes), func(i int, v Value) { flat[i*width+k] = v })
	}
}

// cells reads the values. Each change's are put one behind the other into its
// part of one slice; how many an update has is known when all bitmaps are, so
// the values are gathered by column first.
func (r *reader) cells(s *Section, updates []int) {
	inserts := make([]int, 0, len(s.Changes)-len(updates))
	for i := range s.Changes {
		if s.Changes[i].Op == merge.Insert {
			inserts = append(inserts, i)
		}
	}
	width := len(s.Columns)
	flat := make([]Value, len(inserts)*width)
	for k, i := range inserts {
		s.Changes[i].Values = flat[k*width : (k+1)*width : (k+1)*width]
	}
	rows := make([]int, 0, len(s.Changes)) // the changes that have this column
	for col := 0; col < width && r.err == nil; col++ {
		m, ones := r.bitmap(len(updates))
		if n := r.count(0, len(s.Changes)); r.err != nil || n != len(inserts)+ones {
			r.fail("bad number of values")
			return
		}
		rows = rows[:0]
		u := 0
		for i := range s.Changes {
			switch s.Changes[i].Op {
			case merge.Insert:
				rows = append(rows, i)
			case merge.Update:
				if has(m, u) {
					rows = append(rows, i)
					s.Changes[i].Columns = append(s.Changes[i].Columns, col)
					s.Changes[i].Values = append(s.Changes[i].Values, nil)
				}
				u++
			}
		}
		r.column(len(rows), func(j int, v Value) {
			c := &s.Changes[rows[j]]
			if c.Op == merge.Insert {
				c.Values[col] = v
			} else {
				c.Values[len(c.Values)-1] = v
			}
		})
	}
}
