package cdc

import (
	"context"
	"sync"
	"time"
)

// Priorities of datasets that were not given one: whatever is in primary goes
// before what others have.
const (
	defaultPriority = 0
	primaryPriority = 10
)

// rank is how a dataset stands among the others.
type rank struct {
	priority int64
	// lesser says that another dataset with tables goes first, foremost that one
	// comes after this, and none before.
	lesser, foremost bool
	// rate is in changes per second, 0 for no bound.
	rate int64
	// interval is from one seal to the next.
	interval time.Duration
}

// rank is a dataset's as of the last look at the configuration.
func (s *Store) rank(dataset string) rank {
	if m := s.ranks.Load(); m != nil {
		return (*m)[dataset]
	}
	return rank{}
}

// rankDatasets keeps what whoever waits for the writer has to know of datasets.
func (t *tx) rankDatasets() error {
	var most, least int64
	for i, tab := range t.cfg.tables {
		if i == 0 || tab.ds.priority > most {
			most = tab.ds.priority
		}
		if i == 0 || tab.ds.priority < least {
			least = tab.ds.priority
		}
	}
	ranks := make(map[string]rank)
	for _, d := range t.cfg.datasets {
		ranks[d.name] = rank{
			priority: d.priority, rate: d.rate, interval: time.Duration(d.pause) * time.Millisecond,
			lesser: len(t.cfg.tables) > 0 && d.priority < most, foremost: d.priority == most && least < most,
		}
	}
	t.s.ranks.Store(&ranks)
	return nil
}

// paces keep datasets to their rates.
type paces struct {
	mu sync.Mutex
	// next is when what was done is paid for.
	next map[pace]time.Time
}

// pace is of what is sealed of a dataset, or of what is applied.
type pace struct {
	dataset string
	apply   bool
}

// ready returns when the rate allows more. The rate may change meanwhile.
func (s *Store) ready(ctx context.Context, of pace) error {
	for {
		s.paces.mu.Lock()
		rest := time.Until(s.paces.next[of])
		s.paces.mu.Unlock()
		if rest <= 0 || s.rank(of.dataset).rate == 0 {
			return ctx.Err()
		}
		if err := sleep(ctx, min(rest, time.Second)); err != nil {
			return err
		}
	}
}

// spend notes that n changes were made.
func (s *Store) spend(of pace, n int64) {
	rate := s.rank(of.dataset).rate
	if rate == 0 {
		return
	}
	p := &s.paces
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next = make(map[pace]time.Time)
	}
	at := p.next[of]
	if now := time.Now(); at.Before(now) {
		at = now
	}
	p.next[of] = at.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
}

// sleep returns after d, or with ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	switch {
	case d < 50*time.Microsecond: // less than a timer is good for
		return ctx.Err()
	case d < time.Millisecond:
		nap(d)
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
