package cdc

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"

	"golang.org/x/crypto/blake2b"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

const (
	// divideInto is how many parts a range is divided into at most, and the
	// rest behind them; at least it is half as many, if there are so many rows.
	divideInto = 64
	// boundBytes bounds a key that ends a part: a longer one is passed over.
	boundBytes = 1 << 10
)

// divider divides a range into parts of as many rows each, without knowing how
// many there are: when there are too many parts, neighbours become one.
type divider struct {
	// most is how many parts there may be before that, 0 for one part in all.
	most  int
	size  uint64
	parts []wire.Fingerprint
	last  wire.Fingerprint
}

func newDivider(most int) *divider { return &divider{most: most, size: 1} }

// add adds a row, or a tombstone. Keys ascend.
func (d *divider) add(key []wire.Value, dead bool, sum wire.Sum) {
	if dead {
		d.last.Dead++
		addSum(&d.last.DeadSum, sum)
	} else {
		d.last.Rows++
		addSum(&d.last.Sum, sum)
	}
	n := d.last.Rows + d.last.Dead
	if d.most == 0 || n < d.size {
		return
	}
	if d.last.To = wire.AppendRow(nil, key); len(d.last.To) > boundBytes {
		return
	}
	d.last.Single = n == 1
	d.parts = append(d.parts, d.last)
	d.last = wire.Fingerprint{}
	if len(d.parts) == d.most {
		d.halve()
	}
}

func (d *divider) halve() {
	for i := range d.parts[:d.most/2] {
		p := d.parts[2*i+1]
		p.Single = false
		p.Rows, p.Dead = p.Rows+d.parts[2*i].Rows, p.Dead+d.parts[2*i].Dead
		addSum(&p.Sum, d.parts[2*i].Sum)
		addSum(&p.DeadSum, d.parts[2*i].DeadSum)
		d.parts[i] = p
	}
	d.parts, d.size = d.parts[:d.most/2], 2*d.size
}

// end returns the parts of a range that ends at to.
func (d *divider) end(to []byte) []wire.Fingerprint {
	if n := len(d.parts); n > 0 && d.last.Rows+d.last.Dead == 0 && len(to) > 0 && bytes.Equal(d.parts[n-1].To, to) {
		return d.parts
	}
	d.last.To = to
	return append(d.parts, d.last)
}

// effort is what is read here to compare a table with a peer's, who says how it is
// divided.
type effort struct{ rows, table uint64 }

// spend counts the own fingerprints of parts, first those of the whole table.
// false says that the peer divides it in no way that ends: each division of ranges
// into ones that do not overlap reads a row once.
func (e *effort) spend(own *wire.Fingerprints) bool {
	var n uint64
	for _, parts := range own.Ranges {
		n += 1 + parts[0].Rows + parts[0].Dead
	}
	if e.table == 0 {
		e.table = n
	}
	e.rows += n
	return e.rows <= mostDivisions*e.table+1<<12
}

const mostDivisions = 64

// addSum adds modulo 2^128.
func addSum(s *wire.Sum, other wire.Sum) {
	var carry uint64
	for i := 0; i < len(s); i += 8 {
		var w uint64
		w, carry = bits.Add64(binary.LittleEndian.Uint64(s[i:]), binary.LittleEndian.Uint64(other[i:]), carry)
		binary.LittleEndian.PutUint64(s[i:], w)
	}
}

func sumOf(b []byte) wire.Sum {
	h := blake2b.Sum256(b)
	return wire.Sum(h[:len(wire.Sum{})])
}

// valuesSum is the sum of what a row holds.
func valuesSum(buf []byte, row []any) (wire.Sum, []byte) {
	buf = buf[:0]
	for _, v := range row {
		buf = appendTyped(buf, v)
	}
	return sumOf(buf), buf
}

// versionsSum is the sum of what decides when a row is merged. A row of append
// that was dropped here is none. order is byName's.
func (tab *table) versionsSum(buf []byte, order []int, key []wire.Value, m *meta) (sum wire.Sum, ok bool, _ []byte) {
	if m.row.Dead && m.row.Latest == m.row.Birth {
		return sum, false, buf
	}
	buf = wire.AppendRow(buf[:0], key)
	buf = appendVersion(buf, m.row.Birth)
	if m.row.Dead || tab.rule == merge.WholeRow {
		buf = appendVersion(buf, m.row.Latest)
	}
	if m.row.Dead || len(m.row.Cells) == 0 && len(m.states) == 0 {
		return sumOf(buf), true, buf
	}
	for _, i := range order {
		tc := &tab.cells[i]
		at := slices.IndexFunc(m.row.Cells, func(c merge.Cell) bool { return c.Column == tc.slot })
		state, has := m.states[tc.slot]
		if at < 0 && !has {
			continue
		}
		buf = wire.AppendRow(buf, []wire.Value{schema.Fold(tc.name), state})
		if at >= 0 {
			buf = appendVersion(buf, m.row.Cells[at].Version)
		}
	}
	return sumOf(buf), true, buf
}

func appendVersion(b []byte, v merge.Version) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(v.HLC)), v.Origin[:]...)
}

// byName is the order of cells that is the same on all nodes.
func (tab *table) byName() []int {
	order := make([]int, len(tab.cells))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return strings.Compare(schema.Fold(tab.cells[a].name), schema.Fold(tab.cells[b].name))
	})
	return order
}
