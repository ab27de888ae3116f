package replicate

import (
	"context"
	"errors"
	"time"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/replicate/replicatetest"
	"sqlsync/wire"
)

// arrivalNoter is what a store of files has of Mover.
type arrivalNoter interface {
	NoteArrivals(ctx context.Context, peer merge.NodeID, offers []wire.TableOffer) (bool, error)
}

// later does something to the store and gives the session the answer after it.
// A crash in between may come before or after the store's part. What fails is
// tried again, as work.go does.
func (s *sim) later(e *simEnd, do func() (event, error)) { s.attempt(e, do, 1, 20*time.Millisecond) }

func (s *sim) attempt(e *simEnd, do func() (event, error), n int, within time.Duration) {
	s.after(s.some(within), func() {
		if e.crashed || e.dead && s.rand.IntN(2) == 0 {
			return
		}
		var ev event
		err := replicatetest.ErrCrashed
		if !s.dies(e.node) {
			ev, err = do()
		}
		switch {
		case errors.Is(err, replicatetest.ErrCrashed), s.dies(e.node):
			s.crash(e.node)
			return
		case (s.grad || s.putsBack) && errors.Is(err, wire.ErrGap): // sent before the peer was told what is wanted, or is here again
			ev = stopped{err}
		case s.moves && errors.Is(err, wire.ErrInvalid): // a table is gone, or another connection has ended the snapshot
			ev = stopped{err}
		case err != nil && !errors.Is(err, cdc.ErrRolledBack) && !cdc.IsFull(err):
			s.t.Errorf("node %d: %v", e.node.id, err)
			ev = stopped{err}
		case err != nil && n < storeTries:
			s.attempt(e, do, n+1, firstPause<<n)
			return
		case err != nil:
			ev = stopped{err}
		}
		s.after(s.some(time.Millisecond), func() { s.step(e, ev) })
	})
}

func (s *sim) perform(e *simEnd, a action) {
	ctx, store := context.Background(), e.node.store
	switch a := a.(type) {
	case send:
		s.transmit(e, a.message)
		s.after(s.some(time.Millisecond), func() { s.step(e, written{}) })
	case load:
		s.later(e, func() (event, error) {
			held, err := store.AfterExcept(ctx, a.after, a.have, a.wants, a.maxBytes)
			return loaded{held}, err
		})
	case agree:
		s.later(e, func() (event, error) {
			wants, err := store.Agree(ctx, e.session.peer, a.tables)
			needs := false
			if m, ok := store.(arrivalNoter); err == nil && ok && s.grad {
				var news bool
				if news, err = m.NoteArrivals(ctx, e.session.peer, a.tables); news {
					s.reoffer(e.node)
				}
			}
			if err == nil && (s.grad || s.repolicies) {
				needs, err = store.(Snapshotter).Needs(ctx, a.tables)
			}
			uneven := false
			if m, ok := store.(Evener); err == nil && ok {
				uneven, err = m.Uneven(ctx, e.session.peer, a.tables)
			}
			return agreed{wants, needs, uneven}, err
		})
	case readSnapshot:
		s.later(e, func() (event, error) {
			part, err := store.(Snapshotter).Snapshot(ctx, a.request, a.wants)
			return snapshotRead{part}, err
		})
	case takeSnapshot:
		s.later(e, func() (event, error) {
			next, err := a.take(ctx, store.(Snapshotter), e.session.peer, &e.reconcile)
			s.grown(e.node)
			if next == nil && s.repolicies {
				s.review(e.node)
			}
			if next == nil && s.grad {
				s.reoffer(e.node)
			}
			return snapshotTaken{next}, err
		})
	case even:
		s.later(e, func() (event, error) {
			r, err := a.do(ctx, store.(Evener), e.session.peer, &e.offers, &e.evener)
			s.grown(e.node)
			return r, err
		})
	case compare:
		s.later(e, func() (event, error) {
			answer, err := store.(Comparer).Compare(ctx, a.question)
			return compared{answer}, err
		})
	case apply:
		s.later(e, func() (event, error) {
			v, err := store.Apply(ctx, e.session.peer, a.batches)
			if err == nil && s.repolicies && e.node.file.BecameUneven() {
				s.review(e.node)
			}
			s.grown(e.node)
			forked := errors.Is(err, wire.ErrForked)
			if forked {
				err = nil
			}
			return applied{v, forked}, err
		})
	case seal:
		s.later(e, func() (event, error) {
			v, err := store.Seal(ctx)
			s.grown(e.node)
			return sealed{v}, err
		})
	case confirm:
		s.later(e, func() (event, error) {
			if now, _ := s.nodes[e.session.peer[0]-1].store.Vector(ctx); s.world == nil && !now.Covers(a.vector) {
				s.t.Errorf("%v confirmed more than it has", e.session.peer)
			}
			err := store.Confirm(ctx, e.session.peer, a.vector)
			forked := errors.Is(err, wire.ErrForked)
			if forked {
				err = nil
			}
			return confirmed{forked}, err
		})
	case end:
		s.kill(e)
		s.after(s.some(5*time.Millisecond), func() { s.hangUp(e.far) })
	}
}
