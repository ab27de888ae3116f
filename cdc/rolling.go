package cdc

import (
	"context"
	"errors"
	"time"
)

// RollingOptions say how much a rolling check does. The zero value is the
// default.
type RollingOptions struct {
	// Every is the least time between two ranges, 5 s if 0.
	Every time.Duration
	// Keys is how many keys a range has, 2,000 if 0.
	Keys int
	// Share is how many times as long as a range took it rests at least, 50 if
	// 0, which is two percent of the time.
	Share int
}

func (o RollingOptions) withDefaults() RollingOptions {
	if o.Every == 0 {
		o.Every = 5 * time.Second
	}
	if o.Keys == 0 {
		o.Keys = verifyKeys
	}
	if o.Share == 0 {
		o.Share = 50
	}
	return o
}

// Roll compares the watched tables with their metadata for as long as ctx
// lasts, a range of keys at a time and resting between. What it finds is
// logged, and noted in the database for Differing. It returns ctx's error.
func (s *Store) Roll(ctx context.Context, o RollingOptions) error {
	o = o.withDefaults()
	r := rolling{s: s, keys: o.Keys}
	timer := time.NewTimer(o.Every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		begun := time.Now()
		if err := r.turn(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("cannot verify for now", "db", s.path, "err", err)
		}
		timer.Reset(max(o.Every, time.Since(begun)*time.Duration(o.Share)))
	}
}

// rolling goes round the watched tables.
type rolling struct {
	s    *Store
	keys int
	at   tablesAt
	// sw is the sweep under way; its table is 0 between two.
	sw sweep
	// differing counts what this sweep has found.
	differing int64
}

// turn does one range.
func (r *rolling) turn(ctx context.Context) error {
	if err := r.current(ctx); err != nil {
		return err
	}
	if r.at.table(&r.sw) == nil && !r.begin() {
		return nil
	}
	tab, sp, list, err := r.s.compareNext(ctx, &r.at, &r.sw, r.keys)
	if err != nil {
		r.sw.after = nil // whatever it was, do not meet it for ever
		return err
	}
	if tab == nil {
		return nil
	}
	r.differing += rowFindings(list)
	return r.note(ctx, tab, sp.done)
}

// note keeps the count of the last whole sweep until this one is done or has
// found more, which is logged once.
func (r *rolling) note(ctx context.Context, tab *table, done bool) error {
	all, err := r.s.Differing(ctx)
	if err != nil {
		return err
	}
	n := r.differing
	if n > all[tab.name] {
		r.s.log.Warn("rows differ from their metadata: capture was bypassed; run sqlsync repair", "db", r.s.path, "table", tab.name, "rows", n)
	}
	if done {
		r.begin()
	} else {
		n = max(n, all[tab.name])
	}
	return r.s.noteDiffering(ctx, tab.id, n)
}

// current sees to it that the tables are those that there are. That looks at
// capture too, after a change of the schema.
func (r *rolling) current(ctx context.Context) error {
	err := r.s.peekAt(ctx, r.at, func(*tx) error { return nil })
	if errors.Is(err, errMoved) {
		r.at, err = r.s.watchedTables(ctx)
	}
	return err
}

// begin begins the sweep of the next table, the first after the last. It
// reports whether there is one.
func (r *rolling) begin() bool {
	r.differing = 0
	next := sweep{}
	for _, tab := range r.at.tables { // in the order of their ids
		if next.table == 0 || next.table <= r.sw.table && tab.id > r.sw.table {
			next.table = tab.id
		}
	}
	r.sw = next
	return next.table != 0
}
