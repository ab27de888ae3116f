package cell

import (
	"math"
	"slices"

	"sqlsync/merge"
)

// counter is a base and what each node has added to it since. A node's
// contribution is cumulative, so that it may come twice; a write of something
// that is no number, or by a node that knew no counter, sets the base anew, and
// contributions to the one before are void.
type counter struct {
	base  Value
	since merge.Version // of the write that set the base
	sums  []sum         // ascending by origin, one each
}

type sum struct {
	origin merge.NodeID
	at     merge.HLC
	value  Value // int64 or float64
}

func (c *counter) Value() Value {
	total := c.base
	for i := range c.sums {
		total = add(total, c.sums[i].value)
	}
	return total
}

// add adds as SQLite does: integers that overflow become reals, and what is no
// number counts as zero, but stands as long as nothing is added to it.
func add(a, b Value) Value {
	if !number(b) {
		return a
	}
	if !number(a) {
		return b
	}
	i, aInt := a.(int64)
	j, bInt := b.(int64)
	if aInt && bInt {
		if s := i + j; (s > i) == (j > 0) {
			return s
		}
	}
	return real(a) + real(b)
}

func subtract(a, b Value) Value {
	switch b := b.(type) {
	case int64:
		if b == math.MinInt64 {
			return add(a, -float64(b))
		}
		return add(a, -b)
	case float64:
		return add(a, -b)
	}
	return a
}

func number(v Value) bool {
	switch v.(type) {
	case int64, float64:
		return true
	}
	return false
}

func real(v Value) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

func (c *counter) Write(value Value, v merge.Version) ([]byte, bool) {
	before := c.Value()
	if !number(value) || !number(before) || !finite(value) || !finite(before) {
		c.base, c.since, c.sums = value, v, nil
		return nil, true
	}
	own := add(int64(0), c.sumOf(v.Origin).value)
	c.put(sum{v.Origin, v.HLC, add(own, subtract(value, before))})
	// Rounding may leave the sum beside the value; then the value is the base.
	if !same(c.Value(), value) {
		c.base, c.since, c.sums = value, v, nil
		return nil, true
	}
	return appendVersion(appendValue(nil, c.sumOf(v.Origin).value), c.since), true
}

func finite(v Value) bool { return !math.IsInf(real(v), 0) && !math.IsNaN(real(v)) }

func (c *counter) sumOf(origin merge.NodeID) sum {
	if i, ok := c.find(origin); ok {
		return c.sums[i]
	}
	return sum{origin: origin}
}

func (c *counter) find(origin merge.NodeID) (int, bool) {
	return slices.BinarySearchFunc(c.sums, origin, func(s sum, o merge.NodeID) int { return s.origin.Compare(o) })
}

func (c *counter) put(s sum) {
	i, ok := c.find(s.origin)
	if !ok {
		c.sums = slices.Insert(c.sums, i, s)
	} else if s.at > c.sums[i].at {
		c.sums[i] = s
	}
}

func (c *counter) Merge(value Value, travelled []byte, v merge.Version, seen merge.Seen) (Loss, error) {
	if travelled == nil {
		return c.set(value, v, seen), nil
	}
	r := reader{b: travelled}
	contribution, since := r.value(), r.version()
	if r.bad || len(r.b) > 0 || !number(contribution) {
		return Loss{}, ErrDamaged
	}
	var loss Loss
	// All baselines of a row are one: a contribution to either is to both.
	switch order := since.Compare(c.since); {
	case since.HLC.Baseline() && c.since.HLC.Baseline():
	case order < 0:
		return Loss{Incoming: c.since}, nil
	case order > 0: // to a base that is not here: what its author saw stands
		c.base, c.since, c.sums = subtract(value, contribution), since, nil
		loss.Baseless = true
	}
	c.put(sum{v.Origin, v.HLC, contribution})
	return loss, nil
}

// set takes a write that sets the base.
func (c *counter) set(value Value, v merge.Version, seen merge.Seen) Loss {
	switch order := v.Compare(c.since); {
	case order == 0:
		c.base = value
		return Loss{}
	case order < 0 && !same(value, c.base):
		return Loss{Incoming: c.since}
	case order < 0:
		return Loss{}
	}
	var loss Loss
	if !same(value, c.base) && unseenBy(seen, v, c.since) {
		loss.Local = c.since
	}
	for _, s := range c.sums {
		if s.origin != v.Origin && s.at > seen(s.origin) {
			loss.Local = later(loss.Local, merge.Version{HLC: s.at, Origin: s.origin})
		}
	}
	c.base, c.since, c.sums = value, v, nil
	return loss
}

// Rebase takes the other baseline's value where that was taken first.
func (c *counter) Rebase(value Value, v merge.Version) {
	if c.since.HLC.Baseline() && v.After(c.since) {
		c.base, c.since = value, v
	}
}

func (c *counter) Append(b []byte) []byte {
	b = appendVersion(appendValue(b, c.base), c.since)
	for _, s := range c.sums {
		b = appendValue(appendVersion(b, merge.Version{HLC: s.at, Origin: s.origin}), s.value)
	}
	return b
}

func (r *reader) counter() *counter {
	c := &counter{base: r.value(), since: r.version()}
	for len(r.b) > 0 && !r.bad {
		v := r.version()
		c.sums = append(c.sums, sum{v.Origin, v.HLC, r.value()})
	}
	return c
}
