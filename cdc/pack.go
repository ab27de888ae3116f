package cdc

import (
	"encoding/binary"
	"fmt"
)

// Metadata of rows that are as they were born, which most rows are, is little more
// than hashes; a record of its own costs as much again. So such rows with keys one
// behind the other go into a pack: one record of the same table, at the first of the
// keys. `birth` and `birth_origin` are the first row's, `state` is packed, `version`
// the last key, `cells` the layout and `hashes` those of all rows, each as long.
//
// The layout has uvarints, and zigzag varints where that is said: the number of rows;
// runs of successive keys, each its length and, if it is not the last, the gap to the
// next less one; runs of births at equal steps by one origin, each its length, the
// zigzag step and, if it is not the last, what the next run's first birth differs
// (zigzag) from what would have gone on, and the number of its origin.

// packed is the state of a record that is a pack.
const packed state = 3

const (
	// packRows is how many rows are put into a pack at most, packBytes how large
	// layout and hashes may get: five such packs fit into a page of 4096 bytes, and
	// one that is taken apart is not much to write. Larger ones save next to nothing.
	packRows  = 256
	packBytes = 790
	// maxPackRows bounds what is read.
	maxPackRows = 4096
)

// packedRow is one row of a pack.
type packedRow struct {
	key, birth int64
	origin     int64 // its number
	hashes     hashes
}

// pack is rows in the order of their keys.
type pack []packedRow

func (p pack) first() int64 { return p[0].key }

func (p pack) last() int64 { return p[len(p)-1].key }

// layout encodes all but the first birth, its origin and the hashes.
func (p pack) layout() []byte {
	b := binary.AppendUvarint(make([]byte, 0, 16), uint64(len(p)))
	for i := 0; i < len(p); {
		n := p.keyRun(i)
		b = binary.AppendUvarint(b, uint64(n))
		if i += n; i < len(p) {
			b = binary.AppendUvarint(b, uint64(p[i].key)-uint64(p[i-1].key)-1)
		}
	}
	for i := 0; i < len(p); {
		n, step := p.birthRun(i)
		b = binary.AppendVarint(binary.AppendUvarint(b, uint64(n)), step)
		if i += n; i < len(p) {
			b = binary.AppendVarint(b, p[i].birth-(p[i-1].birth+step))
			b = binary.AppendUvarint(b, uint64(p[i].origin))
		}
	}
	return b
}

// keyRun is how many successive keys begin at a place.
func (p pack) keyRun(from int) int {
	n := 1
	for from+n < len(p) && p[from+n].key == p[from+n-1].key+1 {
		n++
	}
	return n
}

// birthRun is how many births at equal steps begin at a place.
func (p pack) birthRun(from int) (n int, step int64) {
	n = 1
	if from+1 < len(p) && p[from+1].origin == p[from].origin {
		step = p[from+1].birth - p[from].birth
	}
	for from+n < len(p) && p[from+n].origin == p[from].origin && p[from+n].birth == p[from+n-1].birth+step {
		n++
	}
	return n, step
}

// body is the hashes of all rows.
func (p pack) body() []byte {
	b := make([]byte, 0, len(p)*len(p[0].hashes))
	for i := range p {
		b = append(b, p[i].hashes...)
	}
	return b
}

// cut returns how many of the rows make the next pack.
func (p pack) cut() int {
	const shortLayout = 12
	width := len(p[0].hashes)
	n := 1
	for n < len(p) && n < packRows && len(p[n].hashes) == width && (n+1)*width <= packBytes-shortLayout {
		n++
	}
	for n > 1 && n*width+len(p[:n].layout()) > packBytes {
		n -= max(1, n/16)
	}
	return n
}

// layoutReader reads a layout; damaged says that it was none.
type layoutReader struct {
	b       []byte
	damaged bool
}

func (r *layoutReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.damaged = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *layoutReader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// run reads the length of a run of which at most these rows are left.
func (r *layoutReader) run(left int) int {
	n := r.uvarint()
	if n == 0 || n > uint64(left) {
		r.damaged = true
		return left
	}
	return int(n)
}

// readPack is the inverse of layout and body. The hashes keep the memory of body.
func readPack(first, last, birth, origin int64, layout, body []byte) (pack, error) {
	r := layoutReader{b: layout}
	count := r.uvarint()
	if r.damaged || count == 0 || count > maxPackRows {
		return nil, fmt.Errorf("%w: a pack of %d rows", errDamaged, count)
	}
	width := len(body) / int(count)
	if width*int(count) != len(body) {
		return nil, fmt.Errorf("%w: a pack of %d rows has %d bytes of hashes", errDamaged, count, len(body))
	}
	p := make(pack, count)
	for i := range p {
		p[i].hashes = body[i*width : (i+1)*width : (i+1)*width]
	}
	for i, key := 0, first; i < len(p); {
		for range r.run(len(p) - i) {
			if i > 0 && key <= p[i-1].key {
				r.damaged = true
			}
			p[i].key = key
			key++
			i++
		}
		if i < len(p) {
			key += int64(r.uvarint())
		}
	}
	for i := 0; i < len(p); {
		n, step := r.run(len(p)-i), r.varint()
		for range n {
			p[i].birth, p[i].origin = birth, origin
			birth += step
			i++
		}
		if i < len(p) {
			birth += r.varint()
			origin = int64(r.uvarint())
		}
	}
	if r.damaged || len(r.b) > 0 || p.last() != last {
		return nil, fmt.Errorf("%w: the layout of a pack", errDamaged)
	}
	return p, nil
}
