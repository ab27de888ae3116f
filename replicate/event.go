package replicate

import (
	"sqlsync/merge"
	"sqlsync/wire"
)

// event is what happens to a session.
type event interface{ event() }

type (
	// started is the first event.
	started struct{}
	// received is a message of the peer.
	received struct{ message wire.Message }
	// written says that the message of the last send action is on its way, so
	// that another may be sent.
	written struct{}
	// grown says that the own vector is now this.
	grown struct{ vector merge.Vector }
	// loaded answers a load.
	loaded struct{ held []wire.Held }
	// applied answers an apply that was done whole, but for chains of which the
	// peer has another end.
	applied struct {
		vector merge.Vector
		forked bool
	}
	// sealed answers a seal.
	sealed struct{ vector merge.Vector }
	// confirmed answers a confirm. forked says that the peer has other ends of
	// chains.
	confirmed struct{ forked bool }
	// schemaRead answers a readSchema.
	schemaRead struct{ schema *wire.Schema }
	// snapshotRead answers a readSnapshot.
	snapshotRead struct{ part *wire.SnapshotPart }
	// snapshotTaken answers a takeSnapshot: nil is the end.
	snapshotTaken struct{ next wire.Message }
	// offered says that the own tables are now these, and those that are
	// wanted of the peer.
	offered struct {
		tables []wire.TableOffer
		wants  []string
		membership
	}
	// agreed answers an agree.
	agreed struct{ wantsSchema, wantsSnapshot, uneven bool }
	// adopted answers an adopt.
	adopted struct{}
	// progressed says that part of a message has come in: a peer that sends
	// something large over a slow line is not silent.
	progressed struct{}
	// drained says that the connection has taken part of a message.
	drained struct{}
	// ticked says that the deadline has come, or that time has passed.
	ticked struct{}
	// probed asks whether the peer is there; alive or an end follows.
	probed struct{}
	// syncWanted asks for synced.
	syncWanted struct{}
	// schemaWanted asks for the peer's schema.
	schemaWanted struct{}
	// digestsWanted asks for the peer's digests.
	digestsWanted struct{}
	// digested answers a digest.
	digested struct{ digests *wire.Digests }
	// comparisonWanted puts a question about what the peer's tables hold.
	comparisonWanted struct{ question wire.Message }
	// compared answers a compare.
	compared struct{ answer wire.Message }
	// stopped ends the session: nil is an ordinary end.
	stopped struct{ err error }
)

// action is what a session wants done. Actions are carried out in order, but
// those on the store may be finished in any: at most one of each kind is under
// way at a time.
type action interface{ action() }

type (
	// send hands a message to the writer. No other follows before written.
	send struct{ message wire.Message }
	// load reads held batches after a place, without those in have, and of
	// the rest what is wanted.
	load struct {
		after    int64
		have     merge.Vector
		wants    []string
		maxBytes int
	}
	// apply applies received batches.
	apply struct{ batches []*wire.Sealed }
	// seal seals the own chain.
	seal struct{}
	// confirm records the peer's watermark.
	confirm struct{ vector merge.Vector }
	// readSchema reads the schema that the peer asked for.
	readSchema struct{}
	// readSnapshot reads a part of a snapshot for the peer.
	readSnapshot struct {
		request *wire.SnapshotRequest
		wants   []string
	}
	// takeSnapshot merges a part of the peer's, nil to begin. byRanges says that
	// it may be taken by ranges.
	takeSnapshot struct {
		part     wire.Message
		byRanges bool
	}
	// compare answers the peer's question about what tables hold.
	compare struct{ question wire.Message }
	// gotComparison answers comparisonWanted.
	gotComparison struct{ answer wire.Message }
	// agree tells the store how the peer watches its tables, and which it has
	// moved. receives says that the peer may change ours.
	agree struct {
		tables   []wire.TableOffer
		moved    []wire.MovedTable
		receives bool
	}
	// adopt makes tables and columns that the peer has and this side does not.
	adopt struct{ schema *wire.Schema }
	// synced answers syncWanted: both sides have what both had sealed.
	synced struct{}
	// gotSchema answers schemaWanted.
	gotSchema struct{ schema *wire.Schema }
	// digest digests the own tables for the peer.
	digest struct{}
	// gotDigests answers digestsWanted.
	gotDigests struct{ digests *wire.Digests }
	// alive answers probed.
	alive struct{}
	// end is the last action. bye is to be sent if it can be, then the
	// connection closed.
	end struct {
		bye *wire.Bye
		err error
	}
)

func (started) event()          {}
func (received) event()         {}
func (written) event()          {}
func (grown) event()            {}
func (loaded) event()           {}
func (applied) event()          {}
func (sealed) event()           {}
func (confirmed) event()        {}
func (schemaRead) event()       {}
func (snapshotRead) event()     {}
func (snapshotTaken) event()    {}
func (offered) event()          {}
func (agreed) event()           {}
func (adopted) event()          {}
func (progressed) event()       {}
func (drained) event()          {}
func (ticked) event()           {}
func (probed) event()           {}
func (syncWanted) event()       {}
func (schemaWanted) event()     {}
func (digestsWanted) event()    {}
func (digested) event()         {}
func (comparisonWanted) event() {}
func (compared) event()         {}
func (stopped) event()          {}

func (send) action()          {}
func (load) action()          {}
func (apply) action()         {}
func (seal) action()          {}
func (confirm) action()       {}
func (readSchema) action()    {}
func (readSnapshot) action()  {}
func (takeSnapshot) action()  {}
func (agree) action()         {}
func (adopt) action()         {}
func (synced) action()        {}
func (gotSchema) action()     {}
func (digest) action()        {}
func (gotDigests) action()    {}
func (compare) action()       {}
func (gotComparison) action() {}
func (alive) action()         {}
func (end) action()           {}
