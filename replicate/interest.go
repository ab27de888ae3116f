package replicate

import (
	"fmt"
	"slices"

	"sqlsync/merge"
	"sqlsync/wire"
)

// interest is what the peer wants of batches and snapshots.
type interest struct {
	// wants are the tables, nil for all.
	wants []string
	// held is what the peer holds at least in part.
	held merge.Vector
	// met says that whatever the peer wants is wanted here too, and so is here
	// or not to be had of this side; meets that it is so the other way round.
	met, meets bool
}

// includes reports whether one interest is all of another.
func includes(all, some []string) bool {
	return all == nil || some != nil && !slices.ContainsFunc(some, func(name string) bool {
		_, ok := slices.BinarySearch(all, name)
		return !ok
	})
}

func sameInterest(a, b []string) bool { return includes(a, b) && includes(b, a) }

func (s *session) learnInterest(h *wire.Hello) {
	if s.digests.protocol < wire.InterestProtocol { // who has no interest wants all
		s.interest = interest{met: s.wants == nil, meets: true}
		return
	}
	s.interest = interest{wants: h.Wants, held: h.Held, met: includes(s.wants, h.Wants), meets: includes(h.Wants, s.wants)}
}

// has reports whether this side has what v says, as far as the peer could give
// it: sections that it does not want either may be missing of what is held.
func (s *session) has(v merge.Vector) bool {
	for origin, p := range v {
		have := s.own[origin].Seq
		if !s.interest.meets && origin != s.peer {
			have = max(have, s.held[origin].Seq)
		}
		if have < p.Seq {
			return false
		}
	}
	return true
}

// concede takes the peer for having what it holds in part, up to seq: this side
// wants less than the peer and cannot make it whole, others may.
func (s *session) concede(origin merge.NodeID, seq uint64) bool {
	if s.interest.met || origin == s.self || seq > s.interest.held[origin].Seq {
		return false
	}
	s.theirs.Advance(origin, merge.Position{Seq: seq, HLC: s.theirs[origin].HLC})
	return true
}

// starve deals with a batch that lacks what the peer wants of it. What is wanted
// here too was on its way when the batch was loaded, and is waited for: nothing
// may overtake it. Otherwise the peer gets rows in place of it.
func (s *session) starve(h wire.Held) {
	d := &s.sender
	d.queue = nil
	if h.Seq > d.asked[h.Origin].Seq {
		d.scanned, d.more, d.starved = h.Pos-1, true, h.Seq > s.own[h.Origin].Seq
		return
	}
	s.fallBehind(fmt.Errorf("%w: of batch %d of %v there is no table %s here", ErrPruned, h.Seq, h.Origin, h.Lacks))
}
