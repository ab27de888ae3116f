package wire

import (
	"encoding/binary"
	"math"
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
	u := uint64(v)<<1 ^ uint64(v>>63)
	n := 1
	for u >= 0x80 {
		u >>= 7
		n++
	}
	return n
}

// column reads n values and gives each to set.
func (r *reader) column(n int, set func(int, Value)) {
	types, ok := r.types(n)
	if !ok {
		return
	}
	each := func(tag byte, fn func(i int)) {
		i := 0
		for _, run := range types {
			if run.tag == tag || tag == tagText && run.tag == tagBlob {
				for j := i; j < i+run.n && r.err == nil; j++ {
					fn(j)
				}
			}
			i += run.n
		}
	}
	if types.has(tagInt) {
		delta := r.bool()
		var last int64
		each(tagInt, func(i int) {
			v := r.varint()
			if delta {
				v += last
				last = v
			}
			set(i, v)
		})
	}
	each(tagReal, func(i int) { set(i, r.real()) })
	r.bytesOf(types, each, set)
}

// bytesOf reads the texts and blobs of a column: all lengths, then all bytes.
func (r *reader) bytesOf(types typeRuns, each func(byte, func(int)), set func(int, Value)) {
	if !types.has(tagText) && !types.has(tagBlob) {
		return
	}
	var lengths []int
	total := 0
	each(tagText, func(int) {
		n := r.count(0, len(r.b))
		lengths = append(lengths, n)
		total += n
	})
	data := r.take(total)
	if r.err != nil {
		return
	}
	text := string(data) // once for all of the column's texts
	k, at := 0, 0
	i := 0
	for _, run := range types {
		for j := i; j < i+run.n && (run.tag == tagText || run.tag == tagBlob); j++ {
			end := at + lengths[k]
			if run.tag == tagText {
				set(j, text[at:end])
			} else {
				set(j, data[at:end:end])
			}
			k, at = k+1, end
		}
		i += run.n
	}
}

type typeRun struct {
	tag byte
	n   int
}

type typeRuns []typeRun

func (t typeRuns) has(tag byte) bool {
	for _, run := range t {
		if run.tag == tag {
			return true
		}
	}
	return false
}

// types reads the runs of types of n values. Runs are as long as can be.
func (r *reader) types(n int) (typeRuns, bool) {
	var runs typeRuns
	last := byte(0xff)
	for left := n; left > 0; {
		tag := r.byte()
		run := r.count(0, left)
		if r.err == nil && (tag > tagBlob || tag == last || run == 0) {
			r.fail("bad run of types")
		}
		if r.err != nil {
			return nil, false
		}
		runs = append(runs, typeRun{tag, run})
		left -= run
		last = tag
	}
	return runs, true
}
