package replicate

import (
	"testing"
	"testing/synctest"
	"time"
)

// A remote without an address is dialed where it was seen, at once, and as long
// as that is worth a try.
func TestSeenPeerIsDialed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.join(1, "a"), w.join(2, "b")
		b.knows(false, a)
		a.Seen(b.Self, "b", time.Minute) // no remote yet
		a.knows(false, b)
		a.run()
		b.run()
		Wait(t.Context(), time.Minute)
		if w.dials() > 0 {
			t.Error("dialed a stranger")
		}
		a.Seen(b.Self, "b", time.Minute)
		if took := w.until(time.Second, "connected", func() bool { return a.state(0).State == Connected }); took > 0 {
			t.Errorf("connected after %v", took)
		}
		if got := a.state(0).Remote.Addrs; len(got) > 0 {
			t.Errorf("its addresses are %v now", got)
		}
		Wait(t.Context(), time.Hour)
		b.stop()
		w.until(time.Minute, "b to be gone", func() bool { return a.state(0).State == Idle })
		before := w.dials()
		Wait(t.Context(), time.Hour)
		if w.dials() != before {
			t.Error("dialed where it was an hour ago")
		}
		a.SetRemotes(nil)
		synctest.Wait()
		if len(a.seen) != 0 {
			t.Error("remembers who is no remote")
		}
	})
}

// Its addresses are dialed too, and of places where it was seen the last few.
func TestSeenAmongAddresses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.join(1, "a"), w.join(2, "b")
		a.SetRemotes([]Remote{{Name: "b", Peer: b.Self, Pull: true, Push: true, Addrs: []string{"nowhere"}}})
		b.knows(false, a)
		for _, addr := range []string{"1", "2", "3", "b", "b", "4"} {
			a.Seen(b.Self, addr, time.Hour)
		}
		a.mu.Lock()
		got := a.addrs(a.remotes[0])
		a.mu.Unlock()
		if len(got) != 5 || got[0] != "nowhere" || got[1] != "4" || got[2] != "b" {
			t.Errorf("addresses %v", got)
		}
		a.run()
		w.until(soonRetry, "connected", func() bool { return a.state(0).State == Connected })
	})
}
