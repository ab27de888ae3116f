package wire

import (
	"encoding/binary"
	"math"
)

// Tags of values, one byte each.
const (
	tagNull = iota
	tagInt
	tagReal
	tagText
	tagBlob
)

// AppendRow appends a list of values, each with its type, and returns the
// result. Equal lists, and only those, give equal bytes.
func AppendRow(b []byte, values []Value) []byte {
	b = binary.AppendUvarint(b, uint64(len(values)))
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			b = append(b, tagNull)
		case int64:
			b = binary.AppendVarint(append(b, tagInt), v)
		case float64:
			b = binary.LittleEndian.AppendUint64(append(b, tagReal), math.Float64bits(v))
		case string:
			b = appendBytes(append(b, tagText), v)
		case []byte:
			b = appendBytes(append(b, tagBlob), v)
		default:
			panic("wire: not a SQLite value")
		}
	}
	return b
}

// DecodeRow reads what AppendRow wrote. The values share nothing with b.
func DecodeRow(b []byte) ([]Value, error) {
	r := reader{b: b}
	values := make([]Value, r.count(1, len(b)))
	for i := range values {
		switch r.byte() {
		case tagNull:
		case tagInt:
			values[i] = r.varint()
		case tagReal:
			values[i] = r.real()
		case tagText:
			values[i] = r.string()
		case tagBlob:
			values[i] = append([]byte{}, r.bytes()...)
		default:
			r.fail("unknown type of value")
		}
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return values, nil
}

func (r *reader) real() float64 {
	p := r.take(8)
	if p == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(p))
}
