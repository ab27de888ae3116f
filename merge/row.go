package merge

import (
	"cmp"
	"slices"
)

// Row is what a store keeps beside one row of a user's table. The zero Row
// stands for a key that was never heard of.
type Row struct {
	// Birth names the incarnation. A row that is deleted and inserted again
	// has a new birth; the incarnation with the highest birth stands.
	Birth Version
	// Dead says that the incarnation was deleted; the Row is then a tombstone.
	Dead bool
	// Latest is the version of the last write of any kind to this
	// incarnation, its birth and its deletion included.
	Latest Version
	// Cells are the columns written after birth, ascending by Column. Every
	// other column has the version of the birth.
	Cells []Cell
}

// Cell is the version of one column of one row.
type Cell struct {
	// Column is the number that the caller gave the column; it must mean the
	// same column in every Row and Write of one table.
	Column  int
	Version Version
}

// Exists reports whether the key was ever heard of, dead or alive.
func (r Row) Exists() bool { return !r.Birth.IsZero() }

// Cell returns the version of a column.
func (r Row) Cell(column int) Version {
	for _, c := range r.Cells {
		if c.Column == column {
			return c.Version
		}
	}
	return r.Birth
}

// Written returns the row as it is after a write of columns at version v,
// which is later than what they have. It shares nothing with r.
func (r Row) Written(columns []int, v Version) Row {
	r.Cells = slices.Clone(r.Cells)
	for _, c := range columns {
		i, ok := slices.BinarySearchFunc(r.Cells, c, func(have Cell, c int) int { return cmp.Compare(have.Column, c) })
		if ok {
			r.Cells[i].Version = v
		} else {
			r.Cells = slices.Insert(r.Cells, i, Cell{c, v})
		}
	}
	r.Latest = later(r.Latest, v)
	return r
}
