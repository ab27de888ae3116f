package replicate

import (
	"slices"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

// outbox decides what is said next. Messages are made when the writer is free
// to take one, not when there is cause for them: an Ack then carries the latest
// vector and a batch that the peer got from someone else meanwhile is not sent.
// Nothing here grows with the time that a peer does not read.
type outbox struct {
	// busy says that the writer has a message, moved when it has got on with it
	// last.
	busy  bool
	moved time.Time
	// posted are messages that are said in order, before anything else. A peer
	// that asks without reading the answers is not read from either.
	posted []wire.Message
	// ping and pong are the latest of their kind; earlier ones are pointless.
	ping *wire.Ping
	pong *wire.Pong
}

func (o *outbox) post(m wire.Message) { o.posted = append(o.posted, m) }

func (o *outbox) answer(id uint64) { o.pong = &wire.Pong{ID: id} }

// flush gives the writer the next message, if it is free and there is one.
func (s *session) flush() {
	if s.outbox.busy {
		return
	}
	m := s.next()
	if s.isEnded || m == nil {
		return
	}
	s.outbox.busy, s.outbox.moved = true, s.now
	s.do(send{m})
}

// next takes the next message. Acks come before batches: a peer that knows
// that this side has a batch will not send it, not even that very batch.
func (s *session) next() wire.Message {
	o := &s.outbox
	switch {
	case len(o.posted) > 0 && (s.isOpen || isHello(o.posted[0])):
		m := o.posted[0]
		o.posted = o.posted[1:]
		if offers, ok := m.(*wire.Offers); ok && s.digests.protocol < wire.ArrivalProtocol {
			return withoutFields(offers)
		}
		return m
	case !s.isOpen:
		return nil
	case o.pong != nil:
		m := o.pong
		o.pong = nil
		return m
	case o.ping != nil:
		m := o.ping
		o.ping = nil
		return m
	}
	if m := s.news(); m != nil {
		return &wire.Ack{Vector: m}
	}
	if b := s.batches(); len(b) > 0 {
		return &wire.Batches{Sealed: b}
	}
	return nil
}

// withoutFields is what a peer of an earlier version can read.
func withoutFields(m *wire.Offers) *wire.Offers {
	list := slices.Clone(m.Tables)
	for i := range list {
		list[i].Arrivals, list[i].Renamed = nil, nil
	}
	return &wire.Offers{Tables: list}
}

// news is what the peer was not told yet of the own vector.
func (s *session) news() merge.Vector {
	var news merge.Vector
	for origin, p := range s.own {
		if p.Seq > s.told[origin].Seq {
			if news == nil {
				news = merge.Vector{}
			}
			news[origin] = p
		}
	}
	s.told.Join(news)
	return news
}

// hasTold reports whether the peer was told of everything that is here of v.
func (s *session) hasTold(v merge.Vector) bool {
	for origin, p := range v {
		if s.told[origin].Seq < min(p.Seq, s.own[origin].Seq) {
			return false
		}
	}
	return true
}

func isHello(m wire.Message) bool {
	_, ok := m.(*wire.Hello)
	return ok
}
