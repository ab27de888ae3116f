package replicate

import (
	"context"
	"net"

	"sqlsync/merge"
	"sqlsync/wire"
)

// Store is one dataset of one database. Methods are called from several
// goroutines and from several sessions at a time.
//
// An error that is neither wire.ErrInvalid nor wire.ErrGap is the store's own
// trouble: the call is tried again a few times, and then the session ends and
// is begun anew later. Waiting for other programs' locks is the store's
// business and no error.
type Store interface {
	// Vector returns what is applied and durable, the own chain included. The
	// caller owns the result.
	Vector(ctx context.Context) (merge.Vector, error)

	// After returns held batches with Pos > pos in ascending order of Pos:
	// at least one if there is any, then as many as fit into about maxBytes.
	// Two batches of one chain come in the order of their Seq, and a batch
	// after everything that was held when it came to be held. Batches are
	// durable. The caller does not change them.
	After(ctx context.Context, pos int64, maxBytes int) ([]wire.Held, error)

	// Apply applies batches in the given order, skips those that are applied
	// already, and returns the vector after it. What the vector covers is
	// durable; it is valid also with an error, and then stands for the prefix
	// that was applied. from is the peer that sent them, for the error's text.
	// The error wraps wire.ErrInvalid for a batch that no honest peer sends,
	// and wire.ErrGap for one whose predecessor, or a section that is wanted, is
	// not here; nothing of such a batch or of those after it is applied. It wraps
	// wire.ErrAhead where some were left out because their origin's clock is too
	// far ahead, and wire.ErrForked, for which the others are applied all the
	// same, where from has another end of a chain.
	Apply(ctx context.Context, from merge.NodeID, batches []*wire.Sealed) (merge.Vector, error)

	// Seal makes batches of everything that the application committed before
	// the call, and returns the vector with them.
	Seal(ctx context.Context) (merge.Vector, error)

	// Confirm records what a peer has applied durably. It is called soon after
	// a session has begun and then every few seconds at most; with the whole
	// vector, which may hold more than this store does, of its own chain too
	// if that was restored from a backup. Positions only rise. wire.ErrForked
	// says that the peer has other ends of chains.
	Confirm(ctx context.Context, peer merge.NodeID, v merge.Vector) error

	// Offers lists the watched tables, for the peer's information.
	Offers(ctx context.Context) ([]wire.TableOffer, error)

	// Reoffers returns a channel of one place that gets a signal when Offers
	// may have something else to say, and a function as Subscribe's.
	Reoffers() (changed <-chan struct{}, cancel func())

	// Agree compares the peer's offers with the own tables, before anything of
	// the peer's is applied and again whenever they change. A table that the
	// two have in ways that cannot be merged waits, alone. wantsSchema asks for
	// the peer's schema, to be adopted.
	Agree(ctx context.Context, peer merge.NodeID, offers []wire.TableOffer) (wantsSchema bool, err error)

	// Adopt makes the tables and columns that the peer has and this side does
	// not, where the dataset is set to.
	Adopt(ctx context.Context, peer merge.NodeID, schema *wire.Schema) error

	// Schema returns what a new replica needs to create them.
	Schema(ctx context.Context) (*wire.Schema, error)

	// Subscribe returns a channel of one place that gets a signal after the
	// vector has grown, whoever made it grow; a signal that finds the channel
	// full is dropped. cancel ends the subscription; it does not close the
	// channel.
	Subscribe() (grown <-chan struct{}, cancel func())
}

// Skipper is a Store that can leave batches out without reading them. After
// is used where a store is none.
type Skipper interface {
	// AfterExcept is After without the batches that have covers, and without
	// the sections of tables that are not among wants, as in Hello. Held.Lacks
	// names one that is, and whose section is not here.
	AfterExcept(ctx context.Context, pos int64, have merge.Vector, wants []string, maxBytes int) ([]wire.Held, error)
}

// Chooser is a Store that may want some tables only. Its Vector is of batches
// that have all that is wanted; it falls back when more is. A batch that comes
// again is then taken for the sections that are missing.
type Chooser interface {
	// Interest lists the tables that are wanted and says what is held in part,
	// both as in Hello. The first may change whenever the channel of Reoffers
	// gets a signal.
	Interest(ctx context.Context) (wants []string, held merge.Vector, err error)
}

// Keeper is a Store that may be private: then only members, who have its key, are
// told of tables and rows.
type Keeper interface {
	// Membership says whether it is, and if the key is here what this side shows
	// the peer, and what the peer shows if it has the key.
	Membership(ctx context.Context, peer merge.NodeID) (private bool, own, peers *wire.Proof, err error)
}

// Digester is a Store that can say what its tables hold.
type Digester interface {
	// Digests seals, and digests the watched tables as they are in one
	// moment. Pending says that the application wrote all the time.
	Digests(ctx context.Context) (*wire.Digests, error)
}

// Stores are the datasets of one database.
type Stores interface {
	// Store returns a dataset by name, or false if there is none or it is
	// disabled.
	Store(dataset string) (Store, bool)
	// Datasets lists the names for which Store would return true.
	Datasets() []string
}

// Disabler is a Stores that tells a dataset that is disabled from one that is
// not there. A peer is told so only of datasets that it may have.
type Disabler interface{ Disabled(dataset string) bool }

// Restricter is a Stores that keeps what it tells to what a peer may have.
type Restricter interface {
	// Restrict returns a store of Store's as a peer is told of it that may get the
	// datasets for which may is true: of a table that is in another by now, nothing
	// is told as of the dataset where it was.
	Restrict(s Store, may func(dataset string) bool) Store
}

// Dialer makes authenticated connections.
type Dialer interface {
	// Dial connects to addr and returns when the other end has proved to be
	// peer and has let us in. It wraps ErrRefused if the other end is there
	// but does not take us. The caller closes the connection.
	Dial(ctx context.Context, peer merge.NodeID, addr, dataset string) (net.Conn, error)
}
