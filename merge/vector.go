package merge

import (
	"maps"
	"slices"
)

// Position is how far one chain was applied: its last batch's number and the
// greatest HLC in it.
type Position struct {
	Seq uint64
	HLC HLC
}

// Vector is a version vector: origin → position. A nil Vector is the empty
// one. Chains are applied without gaps, so a position stands for everything
// before it.
type Vector map[NodeID]Position

// Clone returns a copy that shares nothing.
func (v Vector) Clone() Vector { return maps.Clone(v) }

// Advance raises the position of origin to p where p is further, and reports
// whether it was. v must not be nil.
func (v Vector) Advance(origin NodeID, p Position) bool {
	if p.Seq <= v[origin].Seq {
		return false
	}
	v[origin] = p
	return true
}

// Join advances v by every position of o.
func (v Vector) Join(o Vector) {
	for origin, p := range o {
		v.Advance(origin, p)
	}
}

// Covers reports whether v holds everything that o holds.
func (v Vector) Covers(o Vector) bool {
	for origin, p := range o {
		if v[origin].Seq < p.Seq {
			return false
		}
	}
	return true
}

// Missing counts the batches that o holds and v does not.
func (v Vector) Missing(o Vector) (batches uint64) {
	for origin, p := range o {
		if have := v[origin].Seq; have < p.Seq {
			batches += p.Seq - have
		}
	}
	return batches
}

// Origins returns the origins in order, so that what is made from a vector is
// the same every time.
func (v Vector) Origins() []NodeID {
	return slices.SortedFunc(maps.Keys(v), NodeID.Compare)
}
