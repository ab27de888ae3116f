// Package cell has the policies by which single cells merge otherwise than by
// the last writer: counters, documents, extremes and users' own expressions.
//
// A [State] is what a store keeps of such a cell beside its value. Like the
// rest of package merge it is pure: states that have taken the same writes are
// equal, whatever the order in which those came, as long as no write comes
// before what its author had seen.
package cell

import (
	"errors"

	"sqlsync/merge"
)

// Value is one SQLite value: nil, int64, float64, string (TEXT, any bytes) or
// []byte (BLOB).
type Value = any

// State is one cell. It is not safe for concurrent use.
type State interface {
	// Write takes what the application left in the cell, as sealed at v by the
	// node self. travels is what peers need beside the value, nil if nothing.
	// Where Value is then another than what was written, the write does not
	// stand and is to be put back; stood reports that it does.
	Write(value Value, v merge.Version) (travels []byte, stood bool)
	// Merge takes the write of another node's, or one that was taken before.
	// A nil travelled is a write whose author knew no policy: it sets the cell.
	Merge(value Value, travelled []byte, v merge.Version, seen merge.Seen) (Loss, error)
	// Rebase takes the value that the cell has in another baseline of its row,
	// which was born at v.
	Rebase(value Value, v merge.Version)
	// Value is what stands in the cell.
	Value() Value
	// Append appends the state's binary form.
	Append(b []byte) []byte
}

// Loss says which side of a merge lost something to the other unseen. Zero is
// neither.
type Loss struct {
	// Incoming is the write to which the one that came has lost.
	Incoming merge.Version
	// Local is a write that was here and has lost to the one that came.
	Local merge.Version
	// Baseless says that the write adds to a base that is not here, as its author
	// began it by changing the policy: what stands depends on what came before.
	Baseless bool
}

// ErrDamaged says that bytes are no state, or nothing that travels.
var ErrDamaged = errors.New("state of a cell is damaged")

// Kind is a policy of cells.
type Kind uint8

const (
	// LastWriter is no policy of this package: the cell has no State.
	LastWriter Kind = iota
	// Sum adds up what each node has added: a counter.
	Sum
	// Paths merges JSON documents path by path.
	Paths
	// Largest and Smallest keep the extreme in SQLite's order.
	Largest
	Smallest
	// Expression merges concurrent values by a function of the user's.
	Expression
)

// Policy is a kind with what it needs.
type Policy struct {
	Kind Kind
	// Eval computes an Expression: what comes of two values, the second of
	// which has the higher version.
	Eval func(local, remote Value, localHLC, remoteHLC merge.HLC) (Value, error)
}

// Ordered reports whether the values alone decide which stands.
func (p Policy) Ordered() bool { return p.Kind == Largest || p.Kind == Smallest }

// New returns the state of a cell as its row was born, or as it was when the
// policy came.
func (p Policy) New(value Value, v merge.Version) State {
	switch p.Kind {
	case Sum:
		return &counter{base: value, since: v}
	case Paths:
		return newDocument(value, v)
	case Largest, Smallest:
		return &extreme{value: value, least: p.Kind == Smallest}
	case Expression:
		return &register{eval: p.Eval, base: value, since: v, value: value}
	}
	return nil
}

// Decode reads the binary form of a state.
func (p Policy) Decode(b []byte) (State, error) {
	r := reader{b: b}
	var s State
	switch p.Kind {
	case Sum:
		s = r.counter()
	case Paths:
		s = r.document()
	case Largest, Smallest:
		s = &extreme{value: r.value(), least: p.Kind == Smallest}
	case Expression:
		s = r.register(p.Eval)
	}
	if r.bad || len(r.b) > 0 {
		return nil, ErrDamaged
	}
	return s, nil
}
