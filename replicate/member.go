package replicate

import (
	"context"

	"sqlsync/merge"
	"sqlsync/wire"
)

// membership is what Keeper says.
type membership struct {
	private          bool
	proof, peerProof *wire.Proof
}

// as reports whether another is to be met in the same way: with the same key.
func (m membership) as(o membership) bool {
	return m.private == o.private && (m.proof == nil && o.proof == nil || m.proof.Same(o.proof))
}

// readMembership reads it, after the tables: a dataset is private before it has
// any.
func readMembership(ctx context.Context, store Store, peer merge.NodeID) (m membership, err error) {
	s, ok := store.(Keeper)
	if !ok {
		return m, nil
	}
	return try(ctx, func(ctx context.Context) (m membership, err error) {
		m.private, m.proof, m.peerProof, err = s.Membership(ctx, peer)
		return m, err
	})
}

// meetMember begins to exchange tables. In a private dataset these are for
// members, and the peer has to be known as one first; one that is none may have
// the batches, which it cannot read, and the ends of chains.
func (s *session) meetMember(h *wire.Hello) {
	s.unread = h.Proof != nil && s.proof == nil
	if !s.private {
		s.trusted = true
		s.learn(h.Tables)
		return
	}
	if s.trusted = s.peerProof.Same(h.Proof); !s.trusted {
		return
	}
	s.tellings.awaited = s.receives
	s.outbox.post(&wire.Offers{Tables: s.tables})
}

// tablesTold takes the peer's tables. In a private dataset only a member has a say.
func (s *session) tablesTold(tables []wire.TableOffer) {
	if s.trusted {
		s.tellings.awaited = false
		s.learn(tables)
	}
}

// otherKey reports whether the peer shows that it has a key, and not the one that
// is here: what either writes the other cannot read.
func (s *session) otherKey(h *wire.Hello) bool {
	return s.proof != nil && h.Proof != nil && !s.peerProof.Same(h.Proof)
}

// byRanges reports whether a snapshot may be taken by comparing: who does not
// read a private dataset gets the ends of its chains only.
func (s *session) byRanges() bool { return s.comparesRanges() && s.trusted && !s.unread }

// behindRelay reports whether this side is a member and the peer none: then
// there are no rows to be had of it.
func (s *session) behindRelay() bool { return s.private && s.proof != nil && !s.trusted }
