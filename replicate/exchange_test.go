package replicate

import (
	"context"
	"testing"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

type noExchange struct{}

func (noExchange) Known(context.Context) (*wire.Known, error) { return nil, nil }
func (noExchange) Changed() (<-chan struct{}, func())         { return nil, func() {} }
func (noExchange) Answer(context.Context, merge.NodeID, *wire.Known) (*wire.Addresses, error) {
	return nil, nil
}
func (noExchange) Learn(context.Context, merge.NodeID, bool, *wire.Addresses) error { return nil }

// exchanging is a session that is open, and what it has wanted done.
func exchanging(ours Exchange, theirs bool) (s *session, step func(e event) []action) {
	s = newSession(config{self: nodeID(1), peer: nodeID(2), dataset: "primary", pull: true, push: true, limits: defaultLimits, exchange: ours})
	now := time.Unix(1_700_000_000, 0)
	step = func(e event) (did []action) {
		did = s.step(now, e)
		for s.outbox.busy {
			did = append(did, s.step(now, written{})...)
		}
		return did
	}
	step(started{})
	step(received{&wire.Hello{MaxProtocol: wire.MaxProtocol, Pull: true, Push: true, Exchanges: theirs}})
	return s, step
}

func count[T any](list []action) (n int) {
	for _, a := range list {
		if _, ok := a.(T); ok {
			n++
		}
	}
	return n
}

func saidOf[T wire.Message](list []action) (n int) {
	for _, a := range list {
		if m, ok := a.(send); ok {
			if _, ok := m.message.(T); ok {
				n++
			}
		}
	}
	return n
}

// Both sides ask once, and are told again only what is news.
func TestAddressesAreExchanged(t *testing.T) {
	s, step := exchanging(noExchange{}, true)
	known := &wire.Known{Tags: [][16]byte{{1}}}
	if did := step(lookedAround{known}); saidOf[*wire.Known](did) != 1 {
		t.Errorf("asks: %v", did)
	}
	if did := step(lookedAround{known}); saidOf[*wire.Known](did) != 0 {
		t.Errorf("asks the same again: %v", did)
	}
	if did := step(received{&wire.Known{}}); count[answerKnown](did) != 1 {
		t.Errorf("asked: %v", did)
	}
	told := &wire.Addresses{List: []wire.Address{{Node: nodeID(3), Statement: []byte("s")}}}
	if did := step(addressesFound{told}); saidOf[*wire.Addresses](did) != 1 {
		t.Errorf("does not tell: %v", did)
	}
	if did := step(lookedAround{known}); count[answerKnown](did) != 1 {
		t.Errorf("does not look again: %v", did)
	}
	again := &wire.Addresses{List: []wire.Address{{Node: nodeID(3), Statement: []byte("s")}}}
	if did := step(addressesFound{again}); saidOf[*wire.Addresses](did) != 0 {
		t.Errorf("tells the same again: %v", did)
	}
	if s.isEnded {
		t.Error("ended")
	}
}

// Who asks and tells without end makes one call of each kind at a time, and is
// soon read no more.
func TestFloodOfAddresses(t *testing.T) {
	s, step := exchanging(noExchange{}, true)
	var did []action
	for n := 0; s.wantsRead(); n++ {
		if n == 1000 {
			t.Fatal("is read for ever")
		}
		did = append(did, step(received{&wire.Known{}})...)
		did = append(did, step(received{&wire.Addresses{List: make([]wire.Address, wire.MaxAddresses)}})...)
	}
	if a, l := count[answerKnown](did), count[learnAddresses](did); a != 1 || l != 1 || s.isEnded {
		t.Errorf("%d answers and %d lessons under way, ended %v", a, l, s.isEnded)
	}
	if did := step(learned{}); count[learnAddresses](did) != 1 {
		t.Error("the latest is lost")
	}
}

// Where one side does not exchange, neither asks, and a peer that does so all the
// same is at fault.
func TestNoExchange(t *testing.T) {
	for name, s := range map[string]struct {
		ours   Exchange
		theirs bool
	}{"ours is off": {nil, true}, "theirs is off": {noExchange{}, false}} {
		session, step := exchanging(s.ours, s.theirs)
		if s.ours != nil {
			if did := step(lookedAround{&wire.Known{}}); saidOf[*wire.Known](did) != 0 {
				t.Errorf("%s: asks", name)
			}
		}
		did := step(received{&wire.Known{}})
		if !session.isEnded || count[answerKnown](did) != 0 {
			t.Errorf("%s: goes on with %v", name, did)
		}
	}
}
