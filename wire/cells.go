package wire

import "math/bits"

// cellReader reads the values of a section. What it does is proportional to
// the values that there are and to the bytes of the bitmaps, however many
// columns the section has.
type cellReader struct {
	*reader
	s *Section
	// left is how many values may still come.
	left int
	// column holds the values of the column that is being read.
	column []Value
	// sparse are the columns that updates set. How many an update has is known
	// only when all were read.
	sparse []sparseColumn
	cells  int // in sparse
}

type sparseColumn struct {
	column int
	set    []int // the updates
	values []Value
}

// spend takes n times width values from what is left.
func (c *cellReader) spend(n, width int) bool {
	if c.err == nil && width > 0 && n > c.left/width {
		c.fail("more values than the limit")
	}
	if c.err != nil {
		return false
	}
	c.left -= n * width
	return true
}

// read reads a column of n values. The result holds until the next call.
func (c *cellReader) read(n int) []Value {
	if cap(c.column) < n {
		c.column = make([]Value, n)
	}
	c.column = c.column[:n]
	c.reader.column(c.column)
	return c.column
}

func (c *cellReader) keys() {
	changes, width := c.s.Changes, len(c.s.Key)
	if !c.spend(len(changes), width) {
		return
	}
	flat := make([]Value, len(changes)*width)
	for i := range changes {
		changes[i].Key = flat[i*width : (i+1)*width : (i+1)*width]
	}
	for k := range width {
		for i, v := range c.read(len(changes)) {
			flat[i*width+k] = v
		}
	}
}

// inserts makes room for the values of the inserts, which have every column.
func (c *cellReader) inserts(inserts []int) {
	width := len(c.s.Columns)
	if !c.spend(len(inserts), width) {
		return
	}
	flat := make([]Value, len(inserts)*width)
	for k, i := range inserts {
		c.s.Changes[i].Values = flat[k*width : (k+1)*width : (k+1)*width]
	}
}

func (c *cellReader) values(inserts, updates []int) {
	for col := 0; col < len(c.s.Columns) && c.err == nil; col++ {
		set := c.setBy(updates)
		n := c.count(0, len(c.s.Changes))
		if c.err == nil && n != len(inserts)+len(set) {
			c.fail("bad number of values")
		}
		if !c.spend(len(set), 1) {
			return
		}
		c.place(col, inserts, set, c.read(n))
	}
	if c.err == nil && c.cells > 0 {
		c.gather()
	}
}

// setBy lists those updates that the bitmap says set the column.
func (c *cellReader) setBy(updates []int) []int {
	bitmap := c.bitmap(len(updates))
	n := 0
	for _, m := range bitmap {
		n += bits.OnesCount8(m)
	}
	if n == 0 {
		return nil
	}
	set := make([]int, 0, n)
	for i, m := range bitmap {
		for ; m != 0; m &= m - 1 {
			set = append(set, updates[8*i+bits.TrailingZeros8(m)])
		}
	}
	return set
}

// place gives the inserts their values of a column, which are in the order of
// the changes, and keeps those of updates for later.
func (c *cellReader) place(col int, inserts, set []int, column []Value) {
	kept := make([]Value, 0, len(set))
	for left := set; len(left) > 0; column = column[1:] {
		if len(inserts) > 0 && inserts[0] < left[0] {
			c.s.Changes[inserts[0]].Values[col] = column[0]
			inserts = inserts[1:]
		} else {
			kept = append(kept, column[0])
			left = left[1:]
		}
	}
	for j, i := range inserts {
		c.s.Changes[i].Values[col] = column[j]
	}
	if len(set) > 0 {
		c.sparse = append(c.sparse, sparseColumn{col, set, kept})
		c.cells += len(set)
	}
}

// gather gives the updates their values.
func (c *cellReader) gather() {
	width := make([]int, len(c.s.Changes))
	for i := range c.sparse {
		for _, change := range c.sparse[i].set {
			width[change]++
		}
	}
	columns, values := make([]int, c.cells), make([]Value, c.cells)
	for i, n := range width {
		if n > 0 {
			c.s.Changes[i].Columns, columns = columns[:0:n], columns[n:]
			c.s.Changes[i].Values, values = values[:0:n], values[n:]
		}
	}
	for i := range c.sparse {
		col := &c.sparse[i]
		for j, change := range col.set {
			to := &c.s.Changes[change]
			to.Columns = append(to.Columns, col.column)
			to.Values = append(to.Values, col.values[j])
		}
	}
}
