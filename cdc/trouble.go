package cdc

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"sqlsync/cdc/internal/sqlconn"
)

// Trouble is something that a store cannot do for now and tries again.
type Trouble struct {
	// What it cannot do, such as "seal" or "apply".
	What string
	// Err wraps ErrReadOnly, ErrFull or a table's *TableError where it is that.
	Err   error
	Since time.Time
}

// troubles are what a store cannot do for now, by what it is.
type troubles struct {
	mu      sync.Mutex
	m       map[string]Trouble
	changed broadcast
}

// Troubles lists what the store cannot do for now.
func (s *Store) Troubles() []Trouble {
	s.troubles.mu.Lock()
	defer s.troubles.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.troubles.m), func(a, b Trouble) int { return cmp.Compare(a.What, b.What) })
}

// Troubled returns a channel that gets a signal after Troubles has changed, and
// a function that ends it.
func (s *Store) Troubled() (<-chan struct{}, func()) { return s.troubles.changed.subscribe() }

// trouble notes how something went, nil for well, and reports whether that is
// news. That somebody stopped waiting, or that the store has ended, is none.
func (s *Store) trouble(what string, err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || Ended(err) {
		return false
	}
	if te := (*TableError)(nil); !errors.As(err, &te) {
		err = s.explain(err)
	}
	s.troubles.mu.Lock()
	defer s.troubles.mu.Unlock()
	was, had := s.troubles.m[what]
	switch {
	case err == nil && !had, err != nil && had && was.Err.Error() == err.Error():
		return false
	case err == nil:
		delete(s.troubles.m, what)
	default:
		if s.troubles.m == nil {
			s.troubles.m = make(map[string]Trouble)
		}
		s.troubles.m[what] = Trouble{what, err, s.now()}
	}
	s.troubles.changed.send()
	return true
}

// troubleHere is trouble for what may also fail by a peer's fault.
func (s *Store) troubleHere(what string, err error) {
	if err == nil || sqlconn.Told(err) || errors.Is(err, ErrReadOnly) || errors.Is(err, ErrFull) || errors.Is(err, ErrLocked) {
		s.trouble(what, err)
	}
}
