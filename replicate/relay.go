package replicate

import (
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

// Eager passing on is limited to spans that double, so that a peer that gets an
// origin's batches elsewhere again is found out, at little cost to one that
// does not.
const (
	firstSpan = time.Second
	lastSpan  = 32 * time.Second
)

// maxHold bounds what a round trip adds to the time that a batch is held back.
const maxHold = time.Second

// relays decide when batches that others made are passed on. In a mesh the
// peer gets most of them from their author, at the same time as we did: so the
// first is held back for a moment, in which the peer's Ack may make it
// superfluous. If none comes, the peer depends on us for this origin, and for
// a span of time its batches are passed on at once. Nothing overtakes a batch
// that is held back, so the order stays causal.
type relays struct {
	// hold is how long: some time for the peer to apply a batch, and two round
	// trips for it to come and for the Ack.
	hold  time.Duration
	spans map[merge.NodeID]span
	// waiting is the last batch that was held back, and since when.
	waiting struct {
		origin merge.NodeID
		seq    uint64
	}
	since time.Time
}

// span says until when batches of an origin are passed on at once.
type span struct {
	until  time.Time
	length time.Duration
}

// ready reports whether h, the first of queue, may be sent now.
func (r *relays) ready(now time.Time, queue []wire.Held) bool {
	h := queue[0]
	if now.Before(r.spans[h.Origin].until) {
		return true
	}
	if r.waiting.origin != h.Origin || r.waiting.seq != h.Seq {
		r.waiting.origin, r.waiting.seq, r.since = h.Origin, h.Seq, now
	}
	if now.Before(r.since.Add(r.hold)) {
		return false
	}
	// One wait is enough for all that is queued behind it.
	for _, h := range queue {
		if s := r.spans[h.Origin]; !now.Before(s.until) {
			s.length = min(max(2*s.length, firstSpan), lastSpan)
			s.until = now.Add(s.length)
			r.spans[h.Origin] = s
		}
	}
	return true
}

// fed notes that the peer has got batches of an origin from someone else.
func (r *relays) fed(origin merge.NodeID) { delete(r.spans, origin) }

// due is when the batch that is held back will be ready.
func (r *relays) due() time.Time { return r.since.Add(r.hold) }
