package wire

import (
	"maps"
	"slices"

	"sqlsync/merge"
)

// Protocol versions that this package speaks.
const (
	MinProtocol = 1
	MaxProtocol = 5

	// DigestProtocol is the first version with DigestRequest and Digests.
	DigestProtocol = 2
	// SnapshotProtocol is the first version with snapshots.
	SnapshotProtocol = 2
	// InterestProtocol is the first version in which sections are left out of
	// batches. To others a batch is sent whole or not at all.
	InterestProtocol = 3
	// RangeProtocol is the first version in which tables are compared by ranges
	// of keys.
	RangeProtocol = 4
	// ArrivalProtocol is the first version in which Offers may have arrivals.
	// Hello may have them in any.
	ArrivalProtocol = 5
)

// Message is one of the types below. A session begins with one Hello from
// each side; a connection carries one dataset.
type Message interface{ message() }

// Hello opens a session.
type Hello struct {
	MinProtocol, MaxProtocol uint32
	// Software names the program and its version, for people.
	Software string
	Dataset  string
	// Pull says that the sender wants batches, Push that it offers them.
	Pull, Push bool
	// Vector is what the sender has applied.
	Vector merge.Vector
	// Tables are those that the sender watches in the dataset.
	Tables []TableOffer
	// Now is the sender's clock.
	Now merge.HLC
	// Wants are the tables that the sender wants of batches and snapshots, in
	// lower case and ascending; nil for all.
	Wants []string
	// Held is how far the sender holds chains at least in part, where that is
	// further than Vector: there are sections that it has come to want since.
	Held merge.Vector
	// Proof shows that the sender is a member of a private dataset, nil if it is
	// none. Tables, Wants and Held are empty then: the peer may be none.
	Proof *Proof
	// Moved are the tables that the sender had in the dataset and has in another
	// now, ascending by name.
	Moved []MovedTable
	// Exchanges says that the sender takes Known and Addresses.
	Exchanges bool
}

// MovedTable is a table and the dataset that it was moved to.
type MovedTable struct{ Name, Dataset string }

// TableOffer tells a peer how a table is watched here.
type TableOffer struct {
	Name string
	// Policy and Fingerprint, which stands for the key, must be the same on
	// both sides for the table to be merged.
	Policy      string
	Fingerprint string
	// Shape stands for all of the table's columns. They may differ.
	Shape string
	// Arrivals say what is in the table that did not come into the dataset with
	// its batches: by author, up to when the rows are here that it had. Empty
	// where no node has moved the table, as far as the sender knows.
	Arrivals Arrivals
	// Renamed are what columns were called that have other names now, ascending.
	Renamed []RenamedColumn
}

// RenamedColumn is what a column was called, and is.
type RenamedColumn struct{ Was, Is string }

// Arrivals are times by author.
type Arrivals map[merge.NodeID]merge.HLC

// Cover reports whether everything that others say is in a table is in one that
// says this.
func (a Arrivals) Cover(others Arrivals) bool {
	for author, at := range others {
		if a[author] < at {
			return false
		}
	}
	return true
}

// Equal reports whether two offers say the same.
func (o TableOffer) Equal(p TableOffer) bool {
	return o.Name == p.Name && o.Policy == p.Policy && o.Fingerprint == p.Fingerprint && o.Shape == p.Shape && maps.Equal(o.Arrivals, p.Arrivals) && slices.Equal(o.Renamed, p.Renamed)
}

// Offers says anew which tables its sender watches, after that has changed.
type Offers struct{ Tables []TableOffer }

// Batches carries sealed batches in the order in which the sender came to hold
// them.
type Batches struct{ Sealed []*Sealed }

// Ack says what its sender has applied durably.
type Ack struct{ Vector merge.Vector }

// SealRequest asks the peer to seal what its application has committed so far.
type SealRequest struct{ ID uint64 }

// SealDone answers a SealRequest with the vector after the seal.
type SealDone struct {
	ID     uint64
	Vector merge.Vector
}

// SchemaRequest asks for the statements that create the watched tables.
type SchemaRequest struct{}

// Schema answers a SchemaRequest.
type Schema struct {
	Tables []TableSchema
	// Settings of the file that a replica takes over, by pragma.
	Settings map[string]string
	// Datasets are those that the sender has.
	Datasets []string
}

// TableSchema is what a new replica needs to create and watch one table.
type TableSchema struct {
	Name string
	// Create holds CREATE TABLE and CREATE INDEX statements, Triggers the
	// application's triggers, which a clone creates after the rows.
	Create, Triggers []string
	Key              []string
	Policy           string
	// Options holds further settings of the watch, by name.
	Options map[string]string
}

// DigestRequest asks what the sender's tables hold.
type DigestRequest struct{}

// Digests answers a DigestRequest with what tables held at one moment.
type Digests struct {
	// Vector is what was applied then.
	Vector merge.Vector
	// Pending says that there were writes that are not in the vector. There
	// are no tables then.
	Pending bool
	// Tables are those that are watched and wait for nothing.
	Tables []TableDigest
}

// TableDigest is what one table holds. Sum is equal on two nodes exactly when
// the rows are.
type TableDigest struct {
	Name string
	Rows uint64
	Sum  string
}

// Behind says that the receiver lacks batches which its sender does not keep
// any more: it may ask for a snapshot.
type Behind struct{}

// SnapshotRequest asks for the part of a snapshot behind a cursor, the first
// if that is empty.
type SnapshotRequest struct{ Cursor []byte }

// SnapshotPart is some rows of a snapshot. A snapshot is merged like batches
// and is not signed: it stands for whoever sends it.
type SnapshotPart struct {
	// Heads are the ends of the chains that the snapshot stands for, in the
	// first part only.
	Heads []ChainHead
	// Table and the range of keys behind From and up to To, each a row of values
	// and empty for no bound, are what the part is about. If Complete, a row in
	// that range which is not told is not there: it was deleted.
	Table    string
	From, To []byte
	Complete bool
	// Parts carry rows as the changes that made them, by origin, in the order
	// in which they are to be merged. Their numbers and signatures mean
	// nothing.
	Parts []*Sealed
	// Cursor is where the next part begins; empty in the last one.
	Cursor []byte
}

// ChainHead is the end of a chain.
type ChainHead struct {
	Origin merge.NodeID
	merge.Position
	Hash Hash
}

// Ping asks for a Pong with the same number.
type Ping struct{ ID uint64 }

// Pong answers a Ping.
type Pong struct{ ID uint64 }

// Bye ends a session; Code says why, Text explains it to people. An empty Code
// is an ordinary end.
type Bye struct{ Code, Text string }

func (*Hello) message()           {}
func (*Behind) message()          {}
func (*SnapshotRequest) message() {}
func (*SnapshotPart) message()    {}
func (*Offers) message()          {}
func (*Batches) message()         {}
func (*Ack) message()             {}
func (*SealRequest) message()     {}
func (*SealDone) message()        {}
func (*SchemaRequest) message()   {}
func (*Schema) message()          {}
func (*DigestRequest) message()   {}
func (*Digests) message()         {}
func (*Ping) message()            {}
func (*Pong) message()            {}
func (*Bye) message()             {}
