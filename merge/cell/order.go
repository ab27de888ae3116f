package cell

import (
	"bytes"
	"cmp"
	"math"
	"strings"

	"sqlsync/merge"
)

// Compare orders values as SQLite does: NULL, numbers, texts, blobs; texts and
// blobs by their bytes.
// https://www.sqlite.org/datatype3.html §4.1
func Compare(a, b Value) int {
	if c := cmp.Compare(class(a), class(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case string:
		return strings.Compare(a, b.(string))
	case []byte:
		return bytes.Compare(a, b.([]byte))
	case nil:
		return 0
	}
	return compareNumbers(a, b)
}

func class(v Value) int {
	switch v.(type) {
	case nil:
		return 0
	case int64, float64:
		return 1
	case string:
		return 2
	}
	return 3
}

// compareNumbers compares without rounding, as SQLite does.
func compareNumbers(a, b Value) int {
	i, aInt := a.(int64)
	j, bInt := b.(int64)
	switch {
	case aInt && bInt:
		return cmp.Compare(i, j)
	case aInt:
		return compareIntFloat(i, b.(float64))
	case bInt:
		return -compareIntFloat(j, a.(float64))
	}
	return cmp.Compare(a.(float64), b.(float64))
}

func compareIntFloat(i int64, f float64) int {
	switch {
	case f >= 1<<63:
		return -1
	case f < -1<<63:
		return 1
	}
	whole := math.Floor(f)
	if c := cmp.Compare(i, int64(whole)); c != 0 {
		return c
	}
	return cmp.Compare(whole, f)
}

// same reports whether two values are the same in type and bytes.
func same(a, b Value) bool { return bytes.Equal(appendValue(nil, a), appendValue(nil, b)) }

// extreme is the largest or smallest value that was ever written.
type extreme struct {
	value Value
	least bool
}

func (e *extreme) Value() Value { return e.value }

// take keeps v if it is beyond what is kept. Values that compare equal and are
// not the same, such as 1 and 1.0, are ordered by their bytes.
func (e *extreme) take(v Value) bool {
	c := Compare(v, e.value)
	if c == 0 {
		c = bytes.Compare(appendValue(nil, v), appendValue(nil, e.value))
	}
	if e.least {
		c = -c
	}
	if c > 0 {
		e.value = v
	}
	return c >= 0
}

func (e *extreme) Write(value Value, _ merge.Version) ([]byte, bool) { return nil, e.take(value) }

func (e *extreme) Merge(value Value, _ []byte, _ merge.Version, _ merge.Seen) (Loss, error) {
	e.take(value)
	return Loss{}, nil
}

func (e *extreme) Rebase(value Value, _ merge.Version) { e.take(value) }

func (e *extreme) Append(b []byte) []byte { return appendValue(b, e.value) }
