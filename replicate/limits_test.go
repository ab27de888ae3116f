package replicate

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sqlsync/wire"
)

// A peer that sends nonsense is told so at once when it comes again, and only
// it is; when it has mended its ways it is let in.
func TestMisbehavingPeerIsSuspendedAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		victim, thief, friend := w.join(1, "victim"), w.join(2, "thief"), w.join(3, "friend")
		victim.sets["stock"] = newMemStore(victim.Self)
		victim.knows(false, thief, friend)
		nonsense := func() *intruder {
			i := thief.intrude(victim)
			i.say(i.hello(true, true), i.hello(true, true))
			i.bye()
			return i
		}
		if i := nonsense(); !i.heardAny(&wire.Hello{}) {
			t.Fatal("was not let in at first")
		}
		served := 0
		began := time.Now()
		for time.Since(began) < time.Minute {
			i := nonsense()
			if got := i.bye(); got != byeInvalid {
				t.Fatalf("told %q", got)
			}
			if i.heardAny(&wire.Hello{}) {
				served++
			}
			Wait(t.Context(), 10*time.Millisecond)
		}
		if served < 5 || served > 25 {
			t.Errorf("of 6000 connections %d were served", served)
		}
		friend.knows(true, victim)
		if err := friend.Sync(t.Context(), "victim"); err != nil {
			t.Errorf("a friend suffers: %v", err)
		}
		i := thief.intrude(victim)
		h := i.hello(true, true)
		h.Dataset = "stock"
		i.say(h, &wire.Bye{})
		<-i.done
		if !i.heardAny(&wire.Hello{}) {
			t.Error("another dataset suffers")
		}
		Wait(t.Context(), soonRetry)
		i = thief.intrude(victim)
		i.say(i.hello(true, true), &wire.Bye{})
		<-i.done
		if !i.heardAny(&wire.Hello{}) {
			t.Error("is not let in any more")
		}
		if i = nonsense(); !i.heardAny(&wire.Hello{}) {
			t.Error("an ordinary end does not mend it")
		}
	})
}

// However many connections a peer makes, a number of them is served, and others
// are not kept out.
func TestConnectionsOfAPeerAreBounded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		victim, thief, friend := w.join(1, "victim"), w.join(2, "thief"), w.join(3, "friend")
		victim.knows(false, thief, friend)
		const most = visitsMore + visitsEach
		var silent []*intruder
		for range most {
			silent = append(silent, thief.intrude(victim))
		}
		synctest.Wait()
		for range 10 {
			if got := thief.intrude(victim).bye(); got != byeRefused {
				t.Errorf("one too many is told %q", got)
			}
		}
		friend.knows(true, victim)
		if err := friend.Sync(t.Context(), "victim"); err != nil {
			t.Errorf("a friend suffers: %v", err)
		}
		for _, i := range silent {
			i.s.Close()
			<-i.done
		}
		synctest.Wait()
		if len(victim.visits) != 0 {
			t.Errorf("%d visits are left", len(victim.visits))
		}
	})
}

// A peer that talks and does not read is left.
func TestPeerThatDoesNotRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		victim, thief := w.join(1, "victim"), w.join(2, "thief")
		victim.knows(false, thief)
		nc, err := thief.Dial(t.Context(), victim.Self, "victim", "primary")
		if err != nil {
			t.Fatal(err)
		}
		i := &intruder{peer: thief, s: newStream(nc)}
		began := time.Now()
		i.say(i.hello(true, true))
		for i.s.Write(&wire.Ping{}) == nil {
			Wait(t.Context(), time.Second)
		}
		if took := time.Since(began); took < defaultLimits.stalledAfter || took > defaultLimits.stalledAfter+10*time.Second {
			t.Errorf("left after %v", took)
		}
		synctest.Wait()
		victim.mu.Lock()
		defer victim.mu.Unlock()
		if err := victim.accepted[0]; !errors.Is(err, errStalled) {
			t.Errorf("error %v", err)
		}
	})
}

// One that says nothing after it has been let in is left, too.
func TestPeerThatSaysNoHello(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		victim, thief := w.join(1, "victim"), w.join(2, "thief")
		victim.knows(false, thief)
		began := time.Now()
		<-thief.intrude(victim).done
		if took := time.Since(began); took != defaultLimits.helloWithin {
			t.Errorf("left after %v", took)
		}
	})
}

// Who may not give us anything cannot make us hold much either.
func TestLargeMessagesOfWhomWeDoNotPullFrom(t *testing.T) {
	for _, test := range []struct {
		name  string
		pull  bool
		hello bool
		text  string
	}{
		{"before hello", true, false, "message is longer"},
		{"without pull", false, true, "message is longer"},
		{"with pull", true, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				victim, thief := w.join(1, "victim"), w.join(2, "thief")
				victim.SetRemotes([]Remote{{Name: "thief", Peer: thief.Self, Pull: test.pull, Push: true}})
				thief.store.size = 2 * maxOther
				i := thief.intrude(victim)
				if test.hello {
					i.say(i.hello(true, true))
				}
				i.say(i.batches(1))
				i.say(&wire.Bye{})
				<-i.done
				synctest.Wait()
				victim.mu.Lock()
				defer victim.mu.Unlock()
				switch err := victim.accepted[0]; {
				case test.text == "" && (err != nil || victim.has(thief) != 1):
					t.Errorf("refused: %v", err)
				case test.text != "" && (!errors.Is(err, wire.ErrInvalid) || !strings.Contains(err.Error(), test.text)):
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// A flood of messages is read at a pace, and is no reason to leave.
func TestFloodOfMessages(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		victim, thief := w.join(1, "victim"), w.join(2, "thief")
		victim.knows(false, thief)
		i := thief.intrude(victim)
		i.say(i.hello(true, true))
		began := time.Now()
		for range 50_000 {
			i.say(&wire.Ping{})
		}
		if took := time.Since(began); took < 2*time.Second || took > 4*time.Second {
			t.Errorf("50000 pings took %v", took)
		}
		began = time.Now()
		for n := range 200 {
			i.say(&wire.SealRequest{ID: uint64(n)})
		}
		if took := time.Since(began); took < time.Second || took > 5*time.Second {
			t.Errorf("200 seals took %v", took)
		}
		i.say(&wire.Bye{})
		if got := i.bye(); got != "none" {
			t.Errorf("ended with %q", got)
		}
	})
}

func TestPace(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	var p pace
	for range paceBurst {
		p.spend(now, 1)
	}
	if p.spent(now) {
		t.Error("spent within the burst")
	}
	p.spend(now, 1)
	if !p.spent(now) || p.spent(p.due()) || p.due().Sub(now) > 2*time.Millisecond {
		t.Errorf("due after %v", p.due().Sub(now))
	}
	p.spend(now, paceRate)
	if d := p.due().Sub(now); d < time.Second || d > time.Second+2*time.Millisecond {
		t.Errorf("due after %v", d)
	}
	if p.spent(now.Add(time.Hour)) || p.left(now.Add(time.Hour)) != 0 {
		t.Error("does not heal")
	}
}
