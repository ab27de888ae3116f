package replicate

import (
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
