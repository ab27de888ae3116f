package replicate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

// A store call that fails is made again after pauses that double.
const (
	storeTries = 6
	firstPause = 50 * time.Millisecond
	// adoptWithin is how long a session may go on for a schema that it was told.
	adoptWithin = 10 * time.Second
)

// try calls f until it succeeds, fails for good, or has failed often enough.
// What is wrong with a batch is not made right by applying it again.
func try[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	pause := firstPause
	for n := 1; ; n++ {
		v, err := f(ctx)
		if err == nil || n == storeTries || ctx.Err() != nil || errors.Is(err, wire.ErrInvalid) || errors.Is(err, wire.ErrGap) || errors.Is(err, wire.ErrAhead) || errors.Is(err, wire.ErrForked) {
			return v, err
		}
		Wait(ctx, pause)
		pause *= 2
	}
}

// Wait returns after d, or when ctx ends.
func Wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// fail ends the session over the own store, or over what it found wrong with
// the peer's batches.
func (l *loop) fail(what string, err error) {
	l.post(stopped{fmt.Errorf("%s: %w", what, err)})
}

// watch tells the session of everything that the store comes to hold, of its
// own tables when they may have changed, and of where other nodes are. It is one
// goroutine: a node may have hundreds of idle peers, each with a stack for each.
func (l *loop) watch(growth, reoffers <-chan struct{}) {
	var around <-chan struct{}
	if x := l.config.exchange; x != nil {
		changed, stop := x.Changed()
		defer stop()
		around = changed
		l.lookAround()
	}
	for {
		select {
		case <-growth:
			v, err := try(l.work, l.store.Vector)
			if err != nil {
				l.fail("read vector", err)
				return
			}
			l.post(grown{v})
		case <-reoffers:
			l.reoffer()
			l.restate()
			l.post(reviewed{})
		case <-around:
			l.lookAround()
		case <-l.work.Done():
			return
		}
	}
}

// reoffer tells the session of its own tables and interest as they are now. It
// reports whether the interest is another than when the session began.
func (l *loop) reoffer() (other bool) {
	tables, err := try(l.work, l.store.Offers)
	if err != nil {
		l.fail("read offers", err)
		return false
	}
	now := offered{tables: tables}
	if s, ok := l.store.(Chooser); ok {
		if now.wants, err = try(l.work, func(ctx context.Context) ([]string, error) {
			wants, _, err := s.Interest(ctx)
			return wants, err
		}); err != nil {
			l.fail("read interest", err)
			return false
		}
	}
	if now.membership, err = readMembership(l.work, l.store, l.config.peer); err != nil {
		l.fail("read membership", err)
		return false
	}
	l.post(now)
	return !sameInterest(now.wants, l.config.wants)
}

func (l *loop) agree(ctx context.Context, a agree) {
	wants := false
	var err error
	if a.receives {
		if wants, err = try(ctx, func(ctx context.Context) (bool, error) {
			return l.store.Agree(ctx, l.config.peer, a.tables)
		}); err == nil {
			err = l.noteMoved(ctx, a.moved)
		}
	}
	if err == nil {
		err = l.noteArrivals(ctx, a.tables)
	}
	if err != nil {
		l.fail("compare tables", err)
		return
	}
	needs := false
	if s, ok := l.store.(Snapshotter); ok && a.receives {
		if needs, err = try(ctx, func(ctx context.Context) (bool, error) { return s.Needs(ctx, a.tables) }); err != nil {
			l.fail("compare tables", err)
			return
		}
	}
	uneven := false
	if s, ok := l.store.(Evener); ok && a.receives {
		if uneven, err = try(ctx, func(ctx context.Context) (bool, error) { return s.Uneven(ctx, l.config.peer, a.tables) }); err != nil {
			l.fail("compare tables", err)
			return
		}
	}
	l.post(agreed{wants, needs, uneven})
}

// adopt takes over what it can of the peer's schema. That it cannot is told in
// the store's status and ends nothing. A peer that only came to sync may be gone
// by then: what it told is adopted all the same.
func (l *loop) adopt(ctx context.Context, a adopt) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), adoptWithin)
	defer cancel()
	try(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, l.store.Adopt(ctx, l.config.peer, a.schema)
	})
	l.reoffer() // before a sync may be over
	l.post(adopted{})
}

func (l *loop) load(ctx context.Context, a load) {
	held, err := try(ctx, func(ctx context.Context) ([]wire.Held, error) {
		if s, ok := l.store.(Skipper); ok {
			return s.AfterExcept(ctx, a.after, a.have, a.wants, a.maxBytes)
		}
		return l.store.After(ctx, a.after, a.maxBytes)
	})
	if err != nil {
		l.fail("read batches", err)
		return
	}
	l.post(loaded{held})
}

func (l *loop) apply(ctx context.Context, a apply) {
	v, err := try(ctx, func(ctx context.Context) (merge.Vector, error) {
		return l.store.Apply(ctx, l.config.peer, a.batches)
	})
	if errors.Is(err, wire.ErrGap) && l.reoffer() {
		return // what came was sent before the peer could know what is wanted now
	}
	forked := errors.Is(err, wire.ErrForked)
	if err != nil && !forked {
		l.fail("apply batches", err)
		return
	}
	l.post(applied{v, forked})
}

func (l *loop) seal(ctx context.Context) {
	v, err := try(ctx, l.store.Seal)
	if err != nil {
		l.fail("seal", err)
		return
	}
	l.post(sealed{v})
}

func (l *loop) confirm(ctx context.Context, a confirm) {
	_, err := try(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, l.store.Confirm(ctx, l.config.peer, a.vector)
	})
	forked := errors.Is(err, wire.ErrForked)
	if err != nil && !forked {
		l.fail("record watermark", err)
		return
	}
	l.post(confirmed{forked})
}

func (l *loop) readSchema(ctx context.Context) {
	schema, err := try(ctx, l.store.Schema)
	if err != nil {
		l.fail("read schema", err)
		return
	}
	l.post(schemaRead{schema})
}
