package replicate

import (
	"fmt"
	"strings"

	"sqlsync/merge"
	"sqlsync/wire"
)

// seals runs one seal at a time. Whoever asks during one waits for the next,
// because the one under way may have begun before what they wait for.
type seals struct {
	running bool
	// answering are served by the seal under way, waiting by the next.
	answering, waiting sealers
}

// sealers are those who asked for a seal.
type sealers struct {
	peers []uint64 // requests of the peer, by id
	own   bool     // our own sync
}

// maxSealRequests bounds what a peer may ask for without waiting.
const maxSealRequests = 16

func (s *session) startSeal() {
	q := &s.seals
	if q.running || len(q.waiting.peers) == 0 && !q.waiting.own {
		return
	}
	// If the peer's schema or rows are wanted, they are to be had before the peer
	// may go.
	if s.agreeing() || s.snapshots.taking || s.evenDue() {
		return
	}
	q.running, q.answering, q.waiting = true, q.waiting, sealers{}
	s.do(seal{})
}

func (s *session) sealAsked(id uint64) {
	if s.sender.behind != nil && !s.snapshots.told {
		s.end(s.sender.behind) // what is sealed could not be sent
		return
	}
	if len(s.seals.waiting.peers) == maxSealRequests {
		s.end(fmt.Errorf("more than %d seal requests: %w", maxSealRequests, wire.ErrInvalid))
		return
	}
	if !s.sends {
		s.outbox.post(&wire.SealDone{ID: id})
		return
	}
	s.seals.waiting.peers = append(s.seals.waiting.peers, id)
}

func (s *session) sealed(v merge.Vector) {
	q := &s.seals
	q.running = false
	for _, id := range q.answering.peers {
		s.outbox.post(&wire.SealDone{ID: id, Vector: v.Clone()})
	}
	if q.answering.own && !q.waiting.own {
		s.sync.ours, s.sync.weSealed = v.Clone(), true
	}
}

// syncing is the state of our own wish to be in sync: both sides seal, and it
// is done when each has what the other's seal made.
type syncing struct {
	wanted, on bool
	id         uint64
	// ours and theirs are the vectors after the seals.
	weSealed, theySealed bool
	ours, theirs         merge.Vector
}

// startSync begins, or begins anew with later seals. A direction in which
// nothing may flow has nothing to wait for.
func (s *session) startSync() {
	y := &s.sync
	if !y.wanted || !s.isOpen {
		return
	}
	*y = syncing{on: true, id: y.id + 1, weSealed: !s.sends, theySealed: !s.receives}
	if s.sends {
		s.seals.waiting.own = true
	}
	if s.receives {
		s.outbox.post(&wire.SealRequest{ID: y.id})
	}
}

func (s *session) sealDone(m *wire.SealDone) {
	if m.ID == s.sync.id && s.sync.on {
		s.sync.theirs, s.sync.theySealed = m.Vector, true
	}
}

func (s *session) finishSync() {
	y := &s.sync
	if y.on && s.sender.behind != nil && !s.snapshots.told {
		s.end(s.sender.behind)
		return
	}
	if !y.on || !y.weSealed || !y.theySealed || !s.has(y.theirs) || !s.theirs.Covers(y.ours) {
		return
	}
	if !s.hasTold(y.theirs) || s.outbox.busy || s.readingSchema {
		return // the peer is to hear of it before the connection may go
	}
	if s.agreeing() || s.tellings.adopting || s.snapshots.taking || s.evenDue() {
		return
	}
	y.on = false
	s.do(synced{})
}

// missing says what a sync is waiting for.
func (s *session) missing() string {
	y := &s.sync
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case !s.isOpen:
		return "no answer to our hello"
	case !y.on:
		return "nothing"
	}
	if !y.weSealed {
		add("our own changes are not sealed")
	} else if n := s.theirs.Missing(y.ours); n > 0 {
		add("%d of our batches not confirmed by the peer", n)
	}
	if !y.theySealed {
		add("the peer has not sealed its changes")
	} else if n := s.own.Missing(y.theirs); n > 0 && !s.has(y.theirs) {
		add("%d of the peer's batches not applied here", n)
	}
	return strings.Join(parts, ", ")
}
