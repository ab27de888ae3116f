package wire

import (
	"encoding/binary"
	"fmt"
)

// reader takes typed values off a byte slice. The first thing that does not
// fit makes it fail for good, so that callers check once at the end.
type reader struct {
	b   []byte
	err error
	// items is how many strings of lists were read.
	items int
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrInvalid, what)
		r.b = nil
	}
}

// uvarint reads an unsigned varint in its shortest form.
func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.fail("bad varint")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// varint reads a signed varint in its shortest form.
func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// count reads a number of things of which each takes at least size bytes of
// what is left, so that whatever is allocated for them has arrived.
func (r *reader) count(size, most int) int {
	v := r.uvarint()
	if v > uint64(most) || size > 0 && v > uint64(len(r.b)/size) {
		r.fail("count beyond its limit")
		return 0
	}
	return int(v)
}

// take reads n bytes. They alias the input.
func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail("cut short")
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) byte() byte {
	p := r.take(1)
	if p == nil {
		return 0
	}
	return p[0]
}

// bytes reads a length and so many bytes.
func (r *reader) bytes() []byte { return r.take(r.count(1, len(r.b))) }

func (r *reader) string() string { return string(r.bytes()) }

func (r *reader) bool() bool {
	switch r.byte() {
	case 0:
		return false
	case 1:
		return true
	}
	r.fail("bad flag")
	return false
}

func (r *reader) hash() (h Hash) {
	copy(h[:], r.take(len(h)))
	return h
}

// end returns the failure, or that there are bytes left.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail("bytes left over")
	}
	return r.err
}

func appendBytes[T string | []byte](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendStrings(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendBytes(b, s)
	}
	return b
}

// list reads the number of things of which each has so many strings. Strings
// may be empty and take 16 bytes all the same, so all that one message has are
// counted together.
func (r *reader) list(strings int) int {
	n := r.count(strings, maxItems)
	if r.items += n * strings; r.items > maxItems {
		r.fail("more strings than the limit")
		return 0
	}
	return n
}

func (r *reader) strings() []string {
	n := r.list(1)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.string()
	}
	return list
}
