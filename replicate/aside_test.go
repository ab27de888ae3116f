package replicate

import (
	"testing"
	"time"
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
