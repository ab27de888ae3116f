package replicate

import (
	"context"
	"fmt"

	"sqlsync/merge"
	"sqlsync/wire"
)

// Snapshotter is a Store that can tell rows instead of batches, for peers that
// lack some that are not kept any more.
type Snapshotter interface {
	// Snapshot returns the part of a snapshot that begins at the cursor, of
	// the tables among wants, as in Hello.
	Snapshot(ctx context.Context, req *wire.SnapshotRequest, wants []string) (*wire.SnapshotPart, error)
	// TakeSnapshot merges a part that peer has sent, nil to begin or to go on
	// with one that was broken off. It returns what to ask for next, nil when
	// that was all and the vector stands for it.
	TakeSnapshot(ctx context.Context, peer merge.NodeID, part *wire.SnapshotPart) (next *wire.SnapshotRequest, err error)
	// Needs reports whether a snapshot is wanted of a peer that offers this,
	// although nothing is missing of the chains.
	Needs(ctx context.Context, offers []wire.TableOffer) (bool, error)
}

// Reconciler is a Snapshotter that can take a snapshot by ranges.
type Reconciler interface {
	// Reconcile returns a function that merges what peer answered to the
	// question that it returned last, nil to begin. It returns the next
	// question, nil when that was all and the vector stands for it. A
	// *wire.SnapshotRequest hands over to TakeSnapshot.
	Reconcile(peer merge.NodeID) func(ctx context.Context, answer wire.Message) (question wire.Message, err error)
}

// reconcile is what Reconciler returned for a session, nil if nothing was begun.
type reconcile func(ctx context.Context, answer wire.Message) (question wire.Message, err error)

// snapshots is what a session knows of snapshots in either direction.
type snapshots struct {
	// told says that the peer was told that it is behind.
	told bool
	// taking says that one is on its way here, answering that the store is
	// reading a part for the peer.
	taking, answering bool
	// asked says that a part of it was asked for, again that another is to be
	// taken if one is still needed then.
	asked, again bool
	// behind says that the peer said meanwhile that it cannot go on: it says so
	// once, and goes on when it hears of more, which what is on its way may not bring.
	behind bool
	// waits says that one is to be taken when a question was answered, see evening.
	waits bool
}

// speaksSnapshots reports whether the peer knows of snapshots.
func (s *session) speaksSnapshots() bool { return s.digests.protocol >= wire.SnapshotProtocol }

// fallBehind notes that the peer lacks what is not kept, and tells it.
func (s *session) fallBehind(err error) {
	s.sender.behind = err
	if s.speaksSnapshots() && !s.snapshots.told {
		s.snapshots.told = true
		s.outbox.post(&wire.Behind{})
	}
}

// catchUp goes on with batches once the peer has what it lacked.
func (s *session) catchUp() {
	d := &s.sender
	if d.behind == nil || !s.snapshots.told {
		return
	}
	d.behind, s.snapshots.told = nil, false
	d.scanned, d.more = 0, true
	d.queue = nil
	for origin := range d.sent {
		delete(d.sent, origin) // what was sent and not confirmed is sent again, and passed over
	}
	d.flight, d.inFlight = nil, 0
}

// otherEnds takes a snapshot where the peer has other ends of chains, whose
// batches do not fit here.
func (s *session) otherEnds(forked bool) {
	if forked && s.isOpen && s.speaksSnapshots() && !s.behindRelay() {
		s.beBehind()
	}
}

// beBehind begins to take a snapshot.
func (s *session) beBehind() {
	switch {
	case !s.receives:
	case s.behindRelay():
		s.end(fmt.Errorf("%w, and what is missing here is not kept there any more", ErrNoMember))
	case s.snapshots.taking:
		s.snapshots.again = true
	case s.evening.under:
		s.snapshots.waits = true
		if s.evening.answer != nil {
			s.leaveEven()
		}
	default:
		s.snapshots.taking, s.snapshots.asked = true, false
		s.do(takeSnapshot{byRanges: s.byRanges()})
	}
}

// toldBehind takes a peer's word that it has no batches of what is missing here.
func (s *session) toldBehind() {
	s.snapshots.behind = s.snapshots.taking
	s.beBehind()
}

// snapshotAsked answers only peers that may pull.
func (s *session) snapshotAsked(m *wire.SnapshotRequest) {
	switch {
	case !s.sends:
		s.end(fmt.Errorf("snapshot of %q: %w", s.dataset, ErrRefused))
	case s.snapshots.answering, !s.speaksSnapshots():
		s.end(fmt.Errorf("snapshot asked out of place: %w", wire.ErrInvalid))
	default:
		s.snapshots.answering = true
		wants := s.interest.wants
		if !s.trusted { // the ends of chains, and no table
			wants = []string{}
		}
		s.do(readSnapshot{m, wants})
	}
}

func (s *session) partCame(m *wire.SnapshotPart) {
	if !s.snapshots.taking {
		s.end(fmt.Errorf("part of a snapshot out of place: %w", wire.ErrInvalid))
		return
	}
	s.do(takeSnapshot{part: m})
}

func (s *session) tookSnapshot(next wire.Message) {
	if next != nil {
		if r, ok := next.(*wire.SnapshotRequest); ok && !s.snapshots.asked && len(r.Cursor) > 0 {
			s.snapshots.again = true // it was begun when other tables may have been wanted
		}
		s.snapshots.asked = true
		s.outbox.post(next)
		return
	}
	s.snapshots.taking = false
	if s.snapshots.behind {
		s.snapshots.behind = false
		s.beBehind()
		return
	}
	if s.snapshots.again {
		s.snapshots.again = false
		s.learn(s.tellings.offers) // it may have been too late for what was wanted meanwhile
	}
}

func (l *loop) readSnapshot(ctx context.Context, a readSnapshot) {
	part, err := try(ctx, func(ctx context.Context) (*wire.SnapshotPart, error) {
		s, ok := l.store.(Snapshotter)
		if !ok {
			return nil, fmt.Errorf("snapshot: %w", wire.ErrInvalid)
		}
		return s.Snapshot(ctx, a.request, a.wants)
	})
	if err != nil {
		l.fail("read snapshot", err)
		return
	}
	l.post(snapshotRead{part})
}

// take has the store merge a part, or begin. r is the session's.
func (a takeSnapshot) take(ctx context.Context, s Snapshotter, peer merge.NodeID, r *reconcile) (next wire.Message, err error) {
	if a.byRanges {
		if s, ok := s.(Reconciler); ok {
			*r = s.Reconcile(peer)
			return (*r)(ctx, nil)
		}
	}
	part, whole := a.part.(*wire.SnapshotPart)
	if a.part != nil && !whole {
		if *r == nil {
			return nil, fmt.Errorf("%T out of place: %w", a.part, wire.ErrInvalid)
		}
		return (*r)(ctx, a.part)
	}
	request, err := s.TakeSnapshot(ctx, peer, part)
	if request == nil { // not an interface that holds nil
		return nil, err
	}
	return request, err
}

func (l *loop) takeSnapshot(ctx context.Context, a takeSnapshot) {
	next, err := try(ctx, func(ctx context.Context) (wire.Message, error) {
		s, ok := l.store.(Snapshotter)
		if !ok {
			return nil, fmt.Errorf("snapshot: %w", wire.ErrInvalid)
		}
		return a.take(ctx, s, l.config.peer, &l.reconcile)
	})
	if err != nil {
		l.fail("take snapshot", err)
		return
	}
	if next == nil {
		l.reoffer() // what has arrived by it is to be told before a sync may be over
	}
	l.post(snapshotTaken{next})
	if next == nil {
		v, err := try(ctx, l.store.Vector)
		if err != nil {
			l.fail("read vector", err)
			return
		}
		l.post(grown{v})
	}
}
