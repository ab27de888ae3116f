package replicate

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

func TestConnectionLostMidway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		a.sets["primary"] = plainStore{a.store}
		a.store.size = 100_000
		a.store.commit(200)
		b.run()
		a.run()
		for n := range 5 {
			w.until(10*time.Second, "progress", func() bool { return b.has(a) > uint64(20*n) })
			w.mu.Lock()
			w.pipes[len(w.pipes)-1].Close()
			w.mu.Unlock()
		}
		w.settles(10*time.Second, a, b)
	})
}

func TestPeerRestarts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		a.run()
		b.run()
		a.store.commit(1)
		w.settles(time.Second, a, b)
		w.until(time.Minute, "a steady session", func() bool { return time.Since(a.state(0).LastSync) == 0 })
		b.stop()
		w.until(time.Second, "a notices", func() bool { return a.state(0).State == Retrying })
		a.store.commit(5)
		Wait(t.Context(), time.Hour)
		b = w.join(2, "b")
		b.knows(false, a)
		b.run()
		if took := w.settles(lateRetry, a, b); took > lateRetry {
			t.Errorf("back after %v", took)
		}
		b.stop()
		Wait(t.Context(), time.Minute)
		b = w.join(2, "b")
		b.knows(false, a)
		a.store.commit(1)
		if took := w.settles(lateRetry, a, b); took > soonRetry {
			t.Errorf("back after %v, though it was there lately", took)
		}
	})
}

// A connection whose peer vanished without a word must not keep out the one
// that the restarted peer makes, not even where the rule for two that dial at
// once would prefer it.
func TestSilentPredecessor(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		b.deaf = true
		nc := newBlackhole()
		l := a.linksOf(b.Self)[0]
		dead, err := l.conn(newStream(nc), true)
		if err != nil {
			t.Fatal(err)
		}
		w.group.Go(func() { l.serve(a.ctx, dead, nil) })
		synctest.Wait()
		a.knows(false, b)
		b.knows(true, a)
		b.run()
		b.store.commit(1)
		if took := w.settles(time.Minute, a, b); took > defaultLimits.probeWithin+time.Second {
			t.Errorf("replaced after %v", took)
		}
	})
}

func TestSlowStore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		gate := make(chan struct{})
		b.sets["primary"] = &gatedStore{b.store, gate}
		a.store.size = 100_000
		a.store.commit(300)
		b.run()
		a.run()
		w.until(time.Second, "first batches", func() bool { return a.state(0).State == Connected })
		Wait(t.Context(), time.Minute)
		if s := a.state(0); s.State != Connected || w.dials() != 1 {
			t.Errorf("slow store ended the session: %+v", s)
		}
		close(gate)
		w.settles(time.Minute, a, b)
		if n := b.store.delivered; n != 300 {
			t.Errorf("%d delivered", n)
		}
	})
}

// A batch that takes longer than the patience with a silent peer arrives.
func TestSlowLine(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		w.pace = 100 * time.Millisecond
		a.store.size = 20_000_000
		a.store.commit(1)
		b.run()
		a.run()
		took := w.settles(10*time.Minute, a, b)
		if took < defaultLimits.deadAfter {
			t.Errorf("took only %v", took)
		}
		if n := w.dials(); n != 1 {
			t.Errorf("%d dials", n)
		}
	})
}

func TestStoreFailsForAWhile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		fails := 3
		b.store.fail = func() error {
			if fails--; fails >= 0 {
				return errors.New("disk full")
			}
			return nil
		}
		b.run()
		a.run()
		a.store.commit(1)
		w.settles(5*time.Second, a, b)
		if w.dials() != 1 {
			t.Error("a passing failure ended the session")
		}
	})
}

func TestGapBeginsAnew(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		fails := 2
		b.store.fail = func() error {
			if fails--; fails >= 0 {
				return wire.ErrGap
			}
			return nil
		}
		b.run()
		a.run()
		a.store.commit(1)
		w.settles(5*time.Second, a, b)
		if w.dials() != 3 {
			t.Errorf("%d dials, want 3", w.dials())
		}
	})
}

func TestGarbage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		c := w.join(3, "c")
		b.knows(false, a, c)
		b.run()
		a.run()
		w.until(time.Second, "connected", func() bool { return a.state(0).State == Connected })
		nc, err := c.Dial(t.Context(), b.Self, "b", "primary")
		if err != nil {
			t.Fatal(err)
		}
		nc.Write([]byte(strings.Repeat("garbage ", 100)))
		w.until(time.Minute, "refusal", func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.accepted) == 1
		})
		if err := b.accepted[0]; !errors.Is(err, wire.ErrInvalid) || !strings.Contains(err.Error(), "c:") {
			t.Errorf("error %v", err)
		}
		if b.state(0).State != Connected || w.dials() != 2 {
			t.Error("another session suffered")
		}
	})
}

// gatedStore applies nothing before its gate is closed.
type gatedStore struct {
	*memStore
	gate chan struct{}
}

func (g *gatedStore) Apply(ctx context.Context, from merge.NodeID, b []*wire.Sealed) (merge.Vector, error) {
	select {
	case <-g.gate:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return g.memStore.Apply(ctx, from, b)
}

// newBlackhole is a connection whose other end takes everything and never
// answers.
func newBlackhole() net.Conn {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		b := make([]byte, 1000)
		for {
			if _, err := far.Read(b); err != nil {
				return
			}
		}
	}()
	return near
}

// slowConn takes some time for every 32 KiB that it writes.
type slowConn struct {
	net.Conn
	pace time.Duration
}

func (c slowConn) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		Wait(context.Background(), c.pace)
		var m int
		m, err = c.Conn.Write(b[:min(len(b), 32<<10)])
		n += m
		b = b[m:]
	}
	return n, err
}
