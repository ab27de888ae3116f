package replicate

import (
	"fmt"

	"sqlsync/merge"
	"sqlsync/wire"
)

// sender streams what the peer lacks, in holding order.
type sender struct {
	// scanned is the place up to which every held batch was loaded, or is
	// covered by what the peer has.
	scanned int64
	// more says that there may be batches after scanned, starved that the
	// first of them lacks what is still to come here.
	more, loading, starved bool
	// asked is the own vector when the load under way was begun.
	asked merge.Vector
	// behind is why nothing more can be sent, nil mostly: the peer lacks
	// batches that are no longer held. What it has to give is still taken.
	behind error
	// queue holds loaded batches, in order; flight those sent and not
	// acknowledged, and inFlight their bytes.
	queue    []wire.Held
	flight   []wire.Held
	inFlight int
	// sent is the highest number sent of each chain.
	sent map[merge.NodeID]uint64
	// held says that the first of the queue is held back by relays.
	held   bool
	relays relays
}

// loaded takes what a load found. If that is nothing, although the peer lacks
// something that was here when the load was begun, it is not kept any more.
func (s *session) loaded(held []wire.Held) {
	d := &s.sender
	d.loading = false
	d.queue = held
	if n := len(held); n > 0 {
		d.scanned, d.more = held[n-1].Pos, true
	} else if origin, ok := s.lacks(d.asked); ok && !s.concede(origin, d.asked[origin].Seq) {
		s.fallBehind(fmt.Errorf("%w: nothing of %v after %d", ErrPruned, origin, s.reach(origin)))
	}
}

// reach is how far a chain is with the peer, or on its way there.
func (s *session) reach(origin merge.NodeID) uint64 {
	return max(s.theirs[origin].Seq, s.sender.sent[origin])
}

// lacks returns an origin of which v has more than reaches the peer.
func (s *session) lacks(v merge.Vector) (merge.NodeID, bool) {
	for origin, p := range v {
		if p.Seq > s.reach(origin) {
			return origin, true
		}
	}
	return merge.NodeID{}, false
}

// settled is the place up to which the peer has everything.
func (d *sender) settled() int64 {
	pos := d.scanned
	if len(d.queue) > 0 {
		pos = d.queue[0].Pos - 1
	}
	for _, h := range d.flight {
		pos = min(pos, h.Pos-1)
	}
	return pos
}

// startLoad reads on when everything read so far was sent. A peer that has
// all there is, or will have it, costs no read.
func (s *session) startLoad() {
	d := &s.sender
	if !s.isOpen || !s.sends || d.behind != nil || d.loading || d.starved || !d.more || len(d.queue) > 0 || d.inFlight >= s.limits.window {
		return
	}
	d.more = false
	if _, ok := s.lacks(s.own); !ok {
		return
	}
	d.loading, d.asked = true, s.own.Clone()
	s.do(load{d.scanned, s.theirs.Clone(), s.interest.wants, s.limits.load})
}

// batches takes what may be sent now from the queue.
func (s *session) batches() []*wire.Sealed {
	var out []*wire.Sealed
	d := &s.sender
	d.held = false
	for size := 0; ; {
		d.queue = s.skip(d.queue)
		if len(d.queue) == 0 {
			break
		}
		h := d.queue[0]
		n := h.Sealed.Size()
		if d.inFlight > 0 && d.inFlight+n > s.limits.window || size > 0 && size+n > s.limits.message {
			break
		}
		if d.held = h.Origin != s.self && !h.Own && !d.relays.ready(s.now, d.queue); d.held {
			break
		}
		if next := s.reach(h.Origin) + 1; h.Seq > next {
			if s.concede(h.Origin, h.Seq-1) {
				continue
			}
			d.queue = nil
			s.fallBehind(fmt.Errorf("%w: it needs %d of %v, kept from %d", ErrPruned, next, h.Origin, h.Seq))
			break
		}
		if h.Lacks != "" && h.Origin != s.peer {
			if s.concede(h.Origin, h.Seq) {
				continue
			}
			s.starve(h)
			break
		}
		size += n
		d.inFlight += n
		d.sent[h.Origin] = max(d.sent[h.Origin], h.Seq)
		d.flight = append(d.flight, h)
		d.queue = d.queue[1:]
		out = append(out, h.Sealed)
	}
	s.startLoad()
	return out
}

// skip drops leading batches that the peer has.
func (s *session) skip(queue []wire.Held) []wire.Held {
	for len(queue) > 0 && s.theirs[queue[0].Origin].Seq >= queue[0].Seq {
		queue = queue[1:]
	}
	return queue
}

// maxOrigins bounds the vector that a peer may build up with its Acks.
const maxOrigins = 1 << 16

// acked takes what the peer says that it has now.
func (s *session) acked(v merge.Vector) {
	if len(s.theirs)+len(v) > maxOrigins {
		s.end(fmt.Errorf("vector of more than %d origins: %w", maxOrigins, wire.ErrInvalid))
		return
	}
	d := &s.sender
	for origin, p := range v {
		if p.Seq > d.sent[origin] {
			d.relays.fed(origin)
		}
	}
	before := s.theirs.Clone()
	s.theirs.Join(v)
	if d.behind != nil && !before.Covers(s.theirs) {
		s.catchUp()
	}
	s.life.unconfirmed = true
	left := d.flight[:0]
	for _, h := range d.flight {
		if s.theirs[h.Origin].Seq >= h.Seq {
			d.inFlight -= h.Sealed.Size()
		} else {
			left = append(left, h)
		}
	}
	clear(d.flight[len(left):])
	d.flight = left
}

func (d *sender) init(limits limits) {
	d.sent = make(map[merge.NodeID]uint64)
	d.relays = relays{hold: limits.hold, spans: make(map[merge.NodeID]span)}
}
