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
	if forked && s.isOpen && s.speaksSnapshots() {
		s.beBehind()
	}
}

// beBehind begins to take a snapshot.
func (s *session) beBehind() {
	switch {
	case !s.receives:
	case s.snapshots.taking:
		s.snapshots.again = true
	default:
		s.snapshots.taking, s.snapshots.asked = true, false
		s.do(takeSnapshot{})
	}
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
		s.do(readSnapshot{m, s.interest.wants})
	}
}

func (s *session) partCame(m *wire.SnapshotPart) {
	if !s.snapshots.taking {
		s.end(fmt.Errorf("part of a snapshot out of place: %w", wire.ErrInvalid))
		return
	}
	s.do(takeSnapshot{m})
}

func (s *session) tookSnapshot(next *wire.SnapshotRequest) {
	if next != nil {
		if !s.snapshots.asked && len(next.Cursor) > 0 {
			s.snapshots.again = true // it was begun when other tables may have been wanted
		}
		s.snapshots.asked = true
		s.outbox.post(next)
		return
	}
	s.snapshots.taking = false
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

func (l *loop) takeSnapshot(ctx context.Context, a takeSnapshot) {
	next, err := try(ctx, func(ctx context.Context) (*wire.SnapshotRequest, error) {
		s, ok := l.store.(Snapshotter)
		if !ok {
			return nil, fmt.Errorf("snapshot: %w", wire.ErrInvalid)
		}
		return s.TakeSnapshot(ctx, l.config.peer, a.part)
	})
	if err != nil {
		l.fail("take snapshot", err)
		return
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
