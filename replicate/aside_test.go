package replicate

import (
	"context"
	"errors"
	"testing"
	"time"

	"sqlsync/wire"
)

// Who only asks leaves the session alone.
func TestDigestsBesideASession(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		a.store.commit(3)
		a.run()
		b.run()
		w.settles(time.Second, a, b)
		before := w.dials()
		for range 2 * maxAsides {
			if _, err := a.Digests(t.Context(), "b", ""); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.dials() - before; n != 2*maxAsides {
			t.Errorf("%d dials", n)
		}
		a.store.commit(1)
		if took := w.settles(time.Second, a, b); took > 0 {
			t.Errorf("a live batch took %v", took)
		}
		if s := a.state(0); s.State != Connected || s.Error != "" {
			t.Errorf("status %+v", s)
		}
	})
}

// A program that syncs beside a serve whose peer has dialed it is heard, whose
// key is lower or not.
func TestSyncBesideASession(t *testing.T) {
	for _, ids := range [][2]int{{1, 2}, {2, 1}} {
		inWorld(t, func(t *testing.T, w *world) {
			serve, far := w.join(ids[0], "serve"), w.join(ids[1], "far")
			serve.knows(false, far)
			far.knows(true, serve)
			serve.run()
			far.run()
			w.settles(time.Second, serve, far)
			beside := w.join(ids[0], "beside")
			beside.store = serve.store
			beside.sets["primary"] = serve.store
			beside.knows(true, far)
			for range 2 {
				serve.store.write(1)
				far.store.write(1)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				if err := beside.Sync(ctx, "far"); err != nil {
					t.Errorf("node %d beside itself: %v", ids[0], err)
				}
				cancel()
			}
			w.until(lateRetry, "connected", func() bool { return serve.state(0).State == Connected && far.state(0).State == Connected })
		})
	}
}

// A remote is asked over a connection of its own; what ends the questions is told.
func TestComparisonBesideASession(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		a.run()
		b.run()
		w.settles(time.Second, a, b)
		asked := 0
		err := a.Compare(t.Context(), "b", "", func(ask Asker) error {
			for range 3 {
				m, err := ask(t.Context(), &wire.ContentsRequest{})
				if err != nil {
					return err
				}
				if c := m.(*wire.Contents); len(c.Tables) == 1 && c.Tables[0].Name == "orders" {
					asked++
				}
			}
			return nil
		})
		if err != nil || asked != 3 {
			t.Errorf("%d answers, %v", asked, err)
		}
		enough := errors.New("enough")
		calls := 0
		err = a.Compare(t.Context(), "b", "", func(ask Asker) error {
			calls++
			ask(t.Context(), &wire.ContentsRequest{})
			return enough
		})
		if !errors.Is(err, enough) || calls != 1 {
			t.Errorf("%d calls, %v", calls, err)
		}
		err = a.Compare(t.Context(), "b", "", func(ask Asker) error {
			_, err := ask(t.Context(), &wire.RangesRequest{Table: "nosuch"})
			return err
		})
		if code := new(ByeError); !errors.As(err, &code) {
			t.Errorf("a bad question: %v", err)
		}
		if s := a.state(0); s.State != Connected || s.Error != "" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestDigestsOfNobody(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := pair(w)
		for _, c := range []struct {
			from            *peer
			remote, dataset string
		}{{a, "nobody", ""}, {a, "b", "nosuch"}, {b, "a", ""}} {
			if _, err := c.from.Digests(t.Context(), c.remote, c.dataset); err == nil {
				t.Errorf("digests of %s %q", c.remote, c.dataset)
			}
		}
	})
}
