package wire

import (
	"encoding/hex"

	"sqlsync/merge"
)

// Hash is a BLAKE2b-256 digest.
type Hash [32]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Header is what a batch says about itself. It is covered by the batch's hash.
type Header struct {
	Dataset string
	Origin  merge.NodeID
	// Seq numbers the batches of one chain: 1, 2, 3 …
	Seq uint64
	// Prev is the hash of the batch before this one, zero for the first.
	Prev Hash
	// First and Last are the lowest and the highest HLC among the changes.
	First, Last merge.HLC
	// Seen is what the author had applied when it sealed, its own chain left
	// out. It serves to tell a conflict from a change of mind. Seal puts it in
	// the order of origins.
	Seen []Horizon
	// Private says that only members can read the sections: see SealPrivate.
	Private bool
}

// Horizon is how far an author had seen one origin. Eight bytes of the key
// tell origins apart well enough for that: a mistake would cost one superfluous
// or one missing entry in the conflict log, never a merge.
type Horizon struct {
	Origin [8]byte
	HLC    merge.HLC
}

// Batch is the changes of one seal.
type Batch struct {
	Header   Header
	Sections []Section
}

// Section holds the changes of a batch to one table. Columns are named, so
// that nodes whose tables differ in columns or their order understand it.
type Section struct {
	Table string
	// Key names the key columns, in the order of the key.
	Key []string
	// Columns names the columns that changes carry values of. They do not
	// repeat the key columns, except where equal keys may differ in their
	// bytes (collations, untyped columns).
	Columns []string
	Changes []Change
}

// Change is one row's insert, update or delete.
type Change struct {
	Op merge.Op
	// Baseline marks the insert of a row that was there before its table was
	// watched.
	Baseline bool
	// HLC and the batch's origin are the version of the change.
	HLC merge.HLC
	// Birth is the incarnation that an update or delete is about. For an
	// insert it is not stored; Write derives it.
	Birth merge.Version
	// Key holds a Value per key column.
	Key []Value
	// Columns are indexes into the section's Columns, ascending, and Values
	// their values. An insert carries every column of the section and leaves
	// Columns nil; a delete carries none.
	Columns []int
	Values  []Value
}

// Value is one SQLite value: nil, int64, float64, string (TEXT, any bytes) or
// []byte (BLOB). A []byte of length 0 is the empty blob, also when it is nil.
type Value = any

// Version returns the version of a change that origin sealed.
func (c *Change) Version(origin merge.NodeID) merge.Version {
	return merge.Version{HLC: c.HLC, Origin: origin}
}

// BirthAt returns the incarnation the change is about: for an insert the one
// that it begins.
func (c *Change) BirthAt(origin merge.NodeID) merge.Version {
	switch {
	case c.Op != merge.Insert:
		return c.Birth
	case c.Baseline:
		return merge.Version{HLC: -c.HLC, Origin: origin}
	}
	return c.Version(origin)
}
