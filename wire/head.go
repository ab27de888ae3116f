package wire

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"sqlsync/merge"
)

// The first byte of a head says which format the batch has.
const (
	formatVersion = 1
	// formatPrivate is that of a batch whose sections only members of its
	// dataset can read: see private.go.
	formatPrivate = 2
)

// SectionHead is an entry of a batch's directory.
type SectionHead struct {
	Table string
	// Changes is how many there are, Size the bytes before compression.
	Changes, Size int
	// Hash is that of the compressed bytes.
	Hash Hash
}

func appendHead(b []byte, h *Header, dir []SectionHead) []byte {
	format := byte(formatVersion)
	if h.Private {
		format = formatPrivate
	}
	b = append(b, format)
	b = appendBytes(b, h.Dataset)
	b = append(b, h.Origin[:]...)
	b = binary.AppendUvarint(b, h.Seq)
	b = append(b, h.Prev[:]...)
	b = binary.AppendUvarint(b, uint64(h.First))
	b = binary.AppendUvarint(b, uint64(h.Last-h.First))
	b = binary.AppendUvarint(b, uint64(len(h.Seen)))
	for _, s := range inOrder(h.Seen) {
		b = append(b, s.Origin[:]...)
		b = binary.AppendUvarint(b, uint64(s.HLC))
	}
	b = binary.AppendUvarint(b, uint64(len(dir)))
	for _, d := range dir {
		b = appendBytes(b, d.Table)
		b = binary.AppendUvarint(b, uint64(d.Changes))
		b = binary.AppendUvarint(b, uint64(d.Size))
		b = append(b, d.Hash[:]...)
	}
	return b
}

// inOrder returns horizons ascending by origin, and by time where eight bytes
// do not tell origins apart.
func inOrder(seen []Horizon) []Horizon {
	compare := func(a, b Horizon) int {
		return cmp.Or(bytes.Compare(a.Origin[:], b.Origin[:]), cmp.Compare(a.HLC, b.HLC))
	}
	if slices.IsSortedFunc(seen, compare) {
		return seen
	}
	return slices.SortedFunc(slices.Values(seen), compare)
}

func decodeHead(b []byte) (h Header, dir []SectionHead, err error) {
	r := reader{b: b}
	format := r.byte()
	if h.Private = format == formatPrivate; r.err == nil && format != formatVersion && !h.Private {
		r.fail("unknown batch format")
	}
	h.Dataset = r.name()
	copy(h.Origin[:], r.take(32))
	h.Seq = r.uvarint()
	h.Prev = r.hash()
	h.First = r.hlc(0)
	h.Last = r.hlc(h.First)
	if r.err == nil && (h.Seq == 0 || h.Dataset == "" || h.First == 0) {
		r.fail("batch without number, dataset or time")
	}
	h.Seen = make([]Horizon, r.count(9, maxHorizons))
	for i := range h.Seen {
		copy(h.Seen[i].Origin[:], r.take(8))
		h.Seen[i].HLC = r.hlc(0)
	}
	if len(h.Seen) == 0 {
		h.Seen = nil
	}
	dir = make([]SectionHead, r.count(35, maxSections))
	for i := range dir {
		d := &dir[i]
		d.Table = r.name()
		d.Changes = r.count(0, 1<<31-1)
		d.Size = r.count(0, 1<<31-1)
		d.Hash = r.hash()
	}
	if r.err == nil && h.Private && (len(dir) != 1 || dir[0].Table != "") {
		r.fail("directory of a private batch")
	}
	return h, dir, r.end()
}

// hlc reads a timestamp as its distance from another. It is never negative.
func (r *reader) hlc(from merge.HLC) merge.HLC {
	h := from + merge.HLC(r.uvarint())
	if r.err == nil && h < from {
		r.fail("timestamp out of range")
	}
	return h
}

// name reads the name of something of SQLite's.
func (r *reader) name() string {
	s := r.string()
	if len(s) > maxName {
		r.fail("name is too long")
	}
	return s
}

// sameHead reports whether encoding what was decoded gives the same bytes.
func sameHead(b []byte, h *Header, dir []SectionHead) bool {
	return bytes.Equal(b, appendHead(nil, h, dir))
}
