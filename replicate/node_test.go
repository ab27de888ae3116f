package replicate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sqlsync/merge"
)

// pair is two nodes of which a dials b.
func pair(w *world) (a, b *peer) {
	a, b = w.join(1, "a"), w.join(2, "b")
	a.knows(true, b)
	b.knows(false, a)
	return a, b
}

func TestLivePush(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		a.store.commit(3)
		b.store.commit(2)
		a.run()
		b.run()
		w.settles(time.Second, a, b)
		a.store.commit(1)
		b.store.commit(1)
		if took := w.settles(time.Second, a, b); took > 0 {
			t.Errorf("live batches took %v", took)
		}
		if n := a.store.delivered + b.store.delivered; n != 7 {
			t.Errorf("%d batches delivered, want 7", n)
		}
		s := a.state(0)
		if s.State != Connected || s.Error != "" || s.LastSync.IsZero() || s.Lag["primary"] != (Lag{}) || s.Confirmed["primary"][a.Self].Seq != 4 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestBothDial(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.join(1, "a"), w.join(2, "b")
		a.knows(true, b)
		b.knows(true, a)
		a.run()
		b.run()
		w.until(time.Second, "connected", func() bool {
			return a.state(0).State == Connected && b.state(0).State == Connected
		})
		Wait(t.Context(), time.Second)
		before := w.dials()
		for range 50 {
			a.store.commit(1)
			b.store.commit(1)
			w.settles(time.Second, a, b)
			Wait(t.Context(), time.Second)
		}
		if n := w.dials(); n != before || n > 4 {
			t.Errorf("%d dials at first, %d later", before, n)
		}
		if a.state(0).Error != "" || b.state(0).Error != "" {
			t.Errorf("errors %q and %q", a.state(0).Error, b.state(0).Error)
		}
	})
}

func TestUnknownDataset(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		a.sets["stock"] = newMemStore(a.Self)
		a.knows(true, b)
		b.run()
		a.run()
		w.until(time.Second, "primary connected", func() bool { return a.state(0).State == Connected })
		err := a.Sync(t.Context(), "b")
		if !errors.Is(err, ErrNoDataset) || !strings.Contains(err.Error(), `"stock"`) {
			t.Errorf("error %v", err)
		}
		b.sets["stock"] = newMemStore(b.Self)
		w.until(soonRetry, "stock connected", func() bool { return len(a.state(0).Confirmed) == 2 })
	})
}

func TestRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		b.SetRemotes(nil)
		b.run()
		a.run()
		w.until(time.Second, "refused", func() bool { return a.state(0).State == Refused })
		b.knows(false, a)
		w.until(soonRetry, "connected", func() bool { return a.state(0).State == Connected })
		b.refuses = true
		b.SetRemotes(nil)
		w.until(time.Second, "refused at once", func() bool { return a.state(0).State == Refused })
	})
}

func TestRemovedAndRestricted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		b.run()
		a.run()
		w.until(time.Second, "connected", func() bool { return a.state(0).State == Connected })
		b.SetRemotes([]Remote{{Name: "a", Peer: a.Self, Push: true}})
		w.until(time.Second, "connected again", func() bool { return a.state(0).State == Connected && w.dials() == 2 })
		a.store.commit(1)
		b.store.commit(1)
		w.until(time.Second, "push only", func() bool { return a.has(b) == 1 })
		Wait(t.Context(), time.Minute)
		if b.has(a) != 0 {
			t.Error("b got what it does not want")
		}
		if err := b.Sync(t.Context(), "a"); err != nil {
			t.Errorf("push-only sync: %v", err)
		}
		a.SetRemotes(nil)
		if took := w.until(0, "gone at once", func() bool { return b.state(0).State == Refused }); took > 0 {
			t.Errorf("gone after %v", took)
		}
	})
}

func TestSync(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		a.store.write(3)
		b.store.write(4)
		if err := a.Sync(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		if a.has(b) != 4 || b.has(a) != 3 {
			t.Errorf("a has %d, b has %d", a.has(b), b.has(a))
		}
		synctest.Wait()
		if b.store.confirmed[a.Self][b.Self].Seq != 4 {
			t.Errorf("watermark %v", b.store.confirmed)
		}
		if s := a.state(0); s.State != Idle || s.LastSync.IsZero() {
			t.Errorf("status %+v", s)
		}
	})
}

// slowConfirms takes its time to record a watermark.
type slowConfirms struct{ *memStore }

func (s slowConfirms) Confirm(ctx context.Context, peer merge.NodeID, v merge.Vector) error {
	Wait(ctx, 100*time.Millisecond)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.memStore.Confirm(ctx, peer, v)
}

// A watermark that is being recorded when the session ends is recorded.
func TestConfirmedWhileEnding(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		b.sets["primary"] = slowConfirms{b.store}
		b.store.write(4)
		if err := a.Sync(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		Wait(t.Context(), 10*time.Second)
		synctest.Wait()
		if got := b.store.confirmed[a.Self][b.Self].Seq; got != 4 {
			t.Errorf("watermark %v", got)
		}
	})
}

func TestSyncTimesOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		gate := make(chan struct{})
		defer close(gate)
		b.sets["primary"] = &gatedStore{b.store, gate}
		a.store.write(3)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err := a.Sync(ctx, "b")
		const want = `sync b, dataset "primary": context deadline exceeded: 3 of our batches not confirmed by the peer`
		if !errors.Is(err, context.DeadlineExceeded) || err.Error() != want {
			t.Errorf("error %v", err)
		}
		if err := a.Sync(t.Context(), "nobody"); !errors.Is(err, ErrUnknownRemote) {
			t.Errorf("error %v", err)
		}
	})
}

func TestSchema(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		delete(a.sets, "primary")
		b.store.commit(3)
		schema, err := a.Schema(t.Context(), "b", "")
		if err != nil || len(schema.Tables) != 1 || schema.Tables[0].Name != "orders" {
			t.Errorf("%v, %v", schema, err)
		}
		b.SetRemotes([]Remote{{Name: "a", Peer: a.Self, Pull: true}})
		if _, err := a.Schema(t.Context(), "b", ""); !errors.Is(err, ErrRefused) {
			t.Errorf("error %v", err)
		}
	})
}

func TestMesh(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var peers []*peer
		for i := range 4 {
			peers = append(peers, w.join(i+1, string(rune('a'+i))))
		}
		for _, p := range peers {
			var others []*peer
			for _, o := range peers {
				if o != p {
					others = append(others, o)
				}
			}
			p.knows(true, others...)
			p.run()
		}
		for range 100 {
			for _, p := range peers {
				p.store.commit(1)
			}
			w.settles(time.Second, peers...)
		}
		for _, p := range peers {
			if n := p.store.delivered; n > 330 {
				t.Errorf("%s was sent %d batches for 300", p.name, n)
			}
		}
	})
}
