package crypto

import (
	"io"
	"sync"
)

// smallRecord is up to which size records have room that a connection keeps.
// Larger ones borrow theirs: most peers are idle, and nodes have many.
const smallRecord = 1 << 10

// roomy are buffers for the largest record.
var roomy = sync.Pool{New: func() any { return new([headerLen + maxRecord]byte) }}

// room is a buffer for one record at a time. The zero value is ready.
type room struct {
	small []byte
	large *[headerLen + maxRecord]byte
}

// of returns the buffer for a record of n bytes, which begins with what the
// present one begins with.
func (r *room) of(n int) []byte {
	switch {
	case r.large != nil:
		return r.large[:]
	case n <= smallRecord:
		if r.small == nil {
			r.small = make([]byte, smallRecord)
		}
		return r.small
	}
	r.large = roomy.Get().(*[headerLen + maxRecord]byte)
	copy(r.large[:], r.small)
	return r.large[:]
}

// shrink gives back what is borrowed, and what is in it.
func (r *room) shrink() {
	if r.large != nil {
		roomy.Put(r.large)
		r.large = nil
	}
}

// inflow is a stream with room for exactly one record. What a read that failed
// had brought before is there for the next.
type inflow struct {
	source io.Reader
	room   room
	// from and to are where in the room the bytes are that were not taken.
	from, to int
}

// peek returns the next n bytes, valid until the next call.
func (f *inflow) peek(n int) ([]byte, error) {
	buf := f.room.of(n)
	if f.from+n > len(buf) {
		f.to = copy(buf, buf[f.from:f.to])
		f.from = 0
	}
	for f.to-f.from < n {
		m, err := f.source.Read(buf[f.to:])
		f.to += m
		if err != nil && f.to-f.from < n {
			return nil, err
		}
	}
	return buf[f.from : f.from+n], nil
}

// take passes over n bytes that were peeked at. Their room stays as it is until
// the next record.
func (f *inflow) take(n int) {
	if f.from += n; f.from == f.to {
		f.from, f.to = 0, 0
	}
}

// rest is for when nothing is in use: it gives room back after a small record.
func (f *inflow) rest(last int) {
	if f.to == 0 && last <= smallRecord {
		f.room.shrink()
	}
}
