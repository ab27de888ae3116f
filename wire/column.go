package wire

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// A column of values is coded as
//
//	runs of types   tag, length, … until the values are all told
//	integers        flag: 0 as they are, 1 as differences to the one before;
//	                then zigzag varints
//	reals           8 bytes each, little-endian
//	lengths         of texts and blobs, in their order
//	bytes           of texts and blobs, one after the other
//
// so that like stands beside like, which is what makes it compress.

// appendColumn appends the values that at gives for 0 to n-1.
func appendColumn(b []byte, n int, at func(int) Value) []byte {
	b = appendTypes(b, n, at)
	b = appendInts(b, n, at)
	for i := range n {
		if v, ok := at(i).(float64); ok {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	}
	for i := range n {
		switch v := at(i).(type) {
		case string:
			b = binary.AppendUvarint(b, uint64(len(v)))
		case []byte:
			b = binary.AppendUvarint(b, uint64(len(v)))
		}
	}
	for i := range n {
		switch v := at(i).(type) {
		case string:
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

func tagOf(v Value) byte {
	switch v.(type) {
	case nil:
		return tagNull
	case int64:
		return tagInt
	case float64:
		return tagReal
	case string:
		return tagText
	case []byte:
		return tagBlob
	}
	panic("wire: not a SQLite value")
}

func appendTypes(b []byte, n int, at func(int) Value) []byte {
	for i := 0; i < n; {
		tag, run := tagOf(at(i)), 1
		for i+run < n && tagOf(at(i+run)) == tag {
			run++
		}
		b = binary.AppendUvarint(append(b, tag), uint64(run))
		i += run
	}
	return b
}

// appendInts writes the integers of a column in the shorter of two forms.
func appendInts(b []byte, n int, at func(int) Value) []byte {
	var plain, delta int
	var last int64
	some := false
	for i := range n {
		if v, ok := at(i).(int64); ok {
			some = true
			plain += varintLen(v)
			delta += varintLen(v - last) // wraps around, and back when it is read
			last = v
		}
	}
	if !some {
		return b
	}
	b = appendBool(b, delta < plain)
	last = 0
	for i := range n {
		v, ok := at(i).(int64)
		switch {
		case !ok:
		case delta < plain:
			b = binary.AppendVarint(b, v-last)
			last = v
		default:
			b = binary.AppendVarint(b, v)
		}
	}
	return b
}

func varintLen(v int64) int {
	return (bits.Len64(uint64(v)<<1^uint64(v>>63)|1) + 6) / 7
}
