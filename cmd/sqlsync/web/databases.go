package web

import (
	"context"
	"slices"
	"sync"
)

// databases are those of a server, which come and go.
type databases struct {
	mu   sync.Mutex
	list []*Database
	// hearing is what Run hears them with, nil while it does not run.
	hearing context.Context
	hears   sync.WaitGroup
	cancel  map[*Database]context.CancelFunc
}

// Add has a database served too. It may be called at any time.
func (s *Server) Add(d *Database) {
	x := &s.databases
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list = append(slices.Clone(x.list), d)
	s.listen(d)
	s.live.wake()
}

// Remove has it served no more. A request that is under way may meet its store
// closed.
func (s *Server) Remove(d *Database) {
	x := &s.databases
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list = slices.DeleteFunc(slices.Clone(x.list), func(o *Database) bool { return o == d })
	if cancel := x.cancel[d]; cancel != nil {
		cancel()
		delete(x.cancel, d)
	}
}

// all lists the databases; nobody changes the list.
func (s *Server) all() []*Database {
	s.databases.mu.Lock()
	defer s.databases.mu.Unlock()
	return s.databases.list
}

// hearAll hears the databases until ctx ends; the function that it returns
// waits for that.
func (s *Server) hearAll(ctx context.Context) (wait func()) {
	x := &s.databases
	x.mu.Lock()
	defer x.mu.Unlock()
	x.hearing, x.cancel = ctx, make(map[*Database]context.CancelFunc)
	for _, d := range x.list {
		s.listen(d)
	}
	return func() {
		x.mu.Lock()
		x.hearing = nil
		for _, cancel := range x.cancel {
			cancel()
		}
		x.mu.Unlock()
		x.hears.Wait()
	}
}

// listen hears one database. The mutex is held.
func (s *Server) listen(d *Database) {
	x := &s.databases
	if x.hearing == nil {
		return
	}
	ctx, cancel := context.WithCancel(x.hearing)
	x.cancel[d] = cancel
	x.hears.Go(func() {
		defer cancel()
		s.hear(ctx, d)
	})
}

func (s *Server) trouble() []string {
	if s.options.Trouble == nil {
		return nil
	}
	return s.options.Trouble()
}
