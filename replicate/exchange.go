package replicate

import (
	"context"
	"net"
	"net/netip"
	"reflect"

	"sqlsync/merge"
	"sqlsync/wire"
)

// Exchange is what a node tells its peers of where others can be reached, and
// hears of them. Methods are called from several goroutines.
type Exchange interface {
	// Known is what peers are asked; the same value as long as nothing has
	// changed.
	Known(ctx context.Context) (*wire.Known, error)

	// Answer is what a peer is told that asks. It says nothing of nodes that the
	// peer does not know.
	Answer(ctx context.Context, peer merge.NodeID, asked *wire.Known) (*wire.Addresses, error)

	// Learn takes what a peer has told; near says that the peer is on this
	// machine.
	Learn(ctx context.Context, peer merge.NodeID, near bool, told *wire.Addresses) error

	// Changed returns a channel of one place that gets a signal when Known or
	// Answer may have something else to say, and a function that ends it.
	Changed() (changed <-chan struct{}, cancel func())
}

// addressing is the exchange of addresses in one session. A peer that asks or
// tells again before it was served is served the latest only.
type addressing struct {
	on bool
	// known is what the peer is to be asked, asked what it asks.
	known, asked      *wire.Known
	answering, answer bool // under way, due
	told              *wire.Addresses
	learning          bool
	heard             *wire.Addresses
}

type (
	// lookedAround says what is known here now.
	lookedAround struct{ known *wire.Known }
	// addressesFound answers an answerKnown.
	addressesFound struct{ told *wire.Addresses }
	// learned answers a learnAddresses.
	learned struct{}

	// answerKnown looks for what the peer asks.
	answerKnown struct{ asked *wire.Known }
	// learnAddresses keeps what the peer has told.
	learnAddresses struct{ told *wire.Addresses }
)

func (lookedAround) event()    {}
func (addressesFound) event()  {}
func (learned) event()         {}
func (answerKnown) action()    {}
func (learnAddresses) action() {}

// near reports whether the other end of a stream is on this machine.
func near(s stream) bool {
	c, ok := s.(interface{ RemoteAddr() net.Addr })
	if !ok || c.RemoteAddr() == nil {
		return false
	}
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	return err == nil && a.Addr().Unmap().IsLoopback()
}

func (s *session) lookAround(known *wire.Known) {
	a := &s.addressing
	if known != a.known {
		a.known = known
		s.askAround()
	}
	a.answer = a.asked != nil
}

// askAround asks the peer, once it is known that it can be asked.
func (s *session) askAround() {
	if s.addressing.on && s.addressing.known != nil {
		s.outbox.post(s.addressing.known)
	}
}

func (s *session) startAddressing() {
	a := &s.addressing
	if a.answer && !a.answering {
		a.answer, a.answering = false, true
		s.do(answerKnown{a.asked})
	}
	if a.heard != nil && !a.learning {
		a.learning = true
		s.do(learnAddresses{a.heard})
		a.heard = nil
	}
}

// found tells the peer what there is, if that is news.
func (s *session) found(told *wire.Addresses) {
	a := &s.addressing
	a.answering = false
	if told != nil && len(told.List) > 0 && !reflect.DeepEqual(told, a.told) {
		a.told = told
		s.outbox.post(told)
	}
}

// exchanged takes a message about addresses, false if m is none.
func (s *session) exchanged(m wire.Message) bool {
	a := &s.addressing
	switch m := m.(type) {
	case *wire.Known:
		a.asked, a.answer = m, true
	case *wire.Addresses:
		a.heard = m
	default:
		return false
	}
	return a.on
}

// lookAround tells the session what is known here now. That it cannot ends
// nothing: it is a help, and no more.
func (l *loop) lookAround() {
	if known, err := try(l.work, l.config.exchange.Known); err == nil {
		l.post(lookedAround{known})
	}
}

func (l *loop) answerKnown(ctx context.Context, a answerKnown) {
	told, err := l.config.exchange.Answer(ctx, l.config.peer, a.asked)
	if err != nil {
		told = nil
	}
	l.post(addressesFound{told})
}

func (l *loop) learnAddresses(ctx context.Context, a learnAddresses) {
	if err := l.config.exchange.Learn(ctx, l.config.peer, l.config.near, a.told); err != nil && ctx.Err() == nil {
		l.config.log.Warn("cannot keep addresses", "peer", l.config.peer.String(), "err", err)
	}
	l.post(learned{})
}
