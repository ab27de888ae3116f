package wire

import (
	"encoding/binary"

	"sqlsync/merge"
)

// A section's payload, before compression:
//
//	key             names of the key columns
//	columns         names of the other columns
//	n               number of changes
//	kinds           runs of (kind, length)
//	times           HLC of the first change, then differences
//	births          of updates and deletes: the origins, then per change the
//	                origin's number and the HLC's difference to the last birth
//	key values      a column each
//	values          per column: which updates set it, then its values

// Kinds of changes.
const (
	changeInsert = iota
	changeBaseline
	changeUpdate
	changeDelete
)

func kindOf(c *Change) byte {
	switch {
	case c.Op == merge.Update:
		return changeUpdate
	case c.Op == merge.Delete:
		return changeDelete
	case c.Baseline:
		return changeBaseline
	}
	return changeInsert
}

func appendSection(b []byte, s *Section) []byte {
	b = appendStrings(b, s.Key)
	b = appendStrings(b, s.Columns)
	n := len(s.Changes)
	b = binary.AppendUvarint(b, uint64(n))
	for i := 0; i < n; {
		kind, run := kindOf(&s.Changes[i]), 1
		for i+run < n && kindOf(&s.Changes[i+run]) == kind {
			run++
		}
		b = binary.AppendUvarint(append(b, kind), uint64(run))
		i += run
	}
	last := merge.HLC(0)
	for i := range s.Changes {
		b = binary.AppendUvarint(b, uint64(s.Changes[i].HLC-last))
		last = s.Changes[i].HLC
	}
	b = appendBirths(b, s.Changes)
	for k := range s.Key {
		b = appendColumn(b, n, func(i int) Value { return s.Changes[i].Key[k] })
	}
	return appendCells(b, s)
}

func appendBirths(b []byte, changes []Change) []byte {
	number := make(map[merge.NodeID]uint64)
	var origins []merge.NodeID
	for i := range changes {
		if c := &changes[i]; c.Op != merge.Insert {
			if _, ok := number[c.Birth.Origin]; !ok {
				number[c.Birth.Origin] = uint64(len(origins))
				origins = append(origins, c.Birth.Origin)
			}
		}
	}
	b = binary.AppendUvarint(b, uint64(len(origins)))
	for _, o := range origins {
		b = append(b, o[:]...)
	}
	last := merge.HLC(0)
	for i := range changes {
		if c := &changes[i]; c.Op != merge.Insert {
			b = binary.AppendUvarint(b, number[c.Birth.Origin])
			b = binary.AppendVarint(b, int64(c.Birth.HLC-last))
			last = c.Birth.HLC
		}
	}
	return b
}

// appendCells writes the values by column. A column's bitmap says which of the
// updates set it; inserts carry every column.
func appendCells(b []byte, s *Section) []byte {
	next := make([]int, len(s.Changes)) // place in each update's columns
	at := make([]Value, 0, len(s.Changes))
	var set []bool
	for col := range s.Columns {
		at, set = at[:0], set[:0]
		for i := range s.Changes {
			switch c := &s.Changes[i]; c.Op {
			case merge.Insert:
				at = append(at, c.Values[col])
			case merge.Update:
				has := next[i] < len(c.Columns) && c.Columns[next[i]] == col
				if set = append(set, has); has {
					at = append(at, c.Values[next[i]])
					next[i]++
				}
			}
		}
		b = appendBitmap(b, set)
		b = binary.AppendUvarint(b, uint64(len(at)))
		b = appendColumn(b, len(at), func(i int) Value { return at[i] })
	}
	return b
}

// appendBitmap writes flags, eight to a byte, the first in the lowest bit.
func appendBitmap(b []byte, set []bool) []byte {
	for len(set) > 0 {
		var v byte
		n := min(8, len(set))
		for i, s := range set[:n] {
			if s {
				v |= 1 << i
			}
		}
		b, set = append(b, v), set[n:]
	}
	return b
}

// bitmap reads n flags. The bits behind the last are 0.
func (r *reader) bitmap(n int) []byte {
	m := r.take((n + 7) / 8)
	if n%8 != 0 && len(m) > 0 && m[len(m)-1]>>(n%8) != 0 {
		r.fail("bits behind a bitmap")
		return nil
	}
	return m
}
