package replicate

import (
	"testing"
	"time"

	"sqlsync/wire"
)

// While a session does not read, because its store is slow, it must not take
// the silence for the peer's.
func TestNotReadingIsNotSilence(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := newSession(config{self: nodeID(1), peer: nodeID(2), dataset: "primary", pull: true, push: true, limits: defaultLimits})
	ticksFor := func(d time.Duration) {
		for end := now.Add(d); !s.isEnded && now.Before(end); {
			now = s.deadline()
			s.step(now, ticked{})
			s.step(now, written{})
		}
	}
	s.step(now, started{})
	s.step(now, written{})
	s.step(now, received{&wire.Hello{MaxProtocol: 1, Pull: true, Push: true}})
	s.step(now, agreed{})
	s.step(now, received{&wire.Batches{Sealed: []*wire.Sealed{{Head: make([]byte, defaultLimits.readAhead)}}}})
	if s.wantsRead() {
		t.Error("reads on with a full inbox")
	}
	ticksFor(time.Minute)
	if s.isEnded {
		t.Error("took its own pause for the peer's silence")
	}
	s.step(now, applied{})
	if !s.wantsRead() {
		t.Error("does not read again")
	}
	ticksFor(time.Minute)
	if !s.isEnded {
		t.Error("does not notice silence")
	}
}
