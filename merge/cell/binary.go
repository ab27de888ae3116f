package cell

import (
	"encoding/binary"
	"math"

	"sqlsync/merge"
)

// States are kept as values, versions and counts one after the other: integers
// as varints, texts and blobs with their length before them.

const (
	tagNull = iota
	tagInt
	tagReal
	tagText
	tagBlob
)

func appendValue(b []byte, v Value) []byte {
	switch v := v.(type) {
	case int64:
		return binary.AppendVarint(append(b, tagInt), v)
	case float64:
		return binary.LittleEndian.AppendUint64(append(b, tagReal), math.Float64bits(v))
	case string:
		return appendText(append(b, tagText), v)
	case []byte:
		return appendText(append(b, tagBlob), string(v))
	}
	return append(b, tagNull)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendVersion(b []byte, v merge.Version) []byte {
	return append(binary.AppendVarint(b, int64(v.HLC)), v.Origin[:]...)
}

// reader takes a binary form apart. After the first mistake it gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads how many things follow, each of at least size bytes.
func (r *reader) count(size uint64) uint64 {
	n := r.uvarint()
	if n > uint64(len(r.b))/size {
		r.bad, r.b = true, nil
		return 0
	}
	return n
}

func (r *reader) text() string { return string(r.take(r.uvarint())) }

func (r *reader) version() (v merge.Version) {
	v.HLC = merge.HLC(r.varint())
	copy(v.Origin[:], r.take(uint64(len(v.Origin))))
	return v
}

func (r *reader) value() Value {
	switch r.byte() {
	case tagNull:
		return nil
	case tagInt:
		return r.varint()
	case tagReal:
		if b := r.take(8); b != nil {
			return math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
		return nil
	case tagText:
		return r.text()
	case tagBlob:
		return []byte(r.text())
	}
	r.bad = true
	return nil
}
