package merge

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

// with returns cells with column at version v, keeping the order. It never
// changes the slice it was given.
func with(cells []Cell, column int, v Version) []Cell {
	out := make([]Cell, 0, len(cells)+1)
	placed := false
	for _, c := range cells {
		switch {
		case c.Column == column:
			c.Version, placed = v, true
		case c.Column > column && !placed:
			out = append(out, Cell{column, v})
			placed = true
		}
		out = append(out, c)
	}
	if !placed {
		out = append(out, Cell{column, v})
	}
	return out
}
