package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options say what is served and to whom.
type Options struct {
	Databases []*Database
	Counters  *Counters
	// Token is what requests must bring; without one the listener must be on
	// loopback.
	Token string
	Limit Limit
	Pprof bool
	// Trouble lists what is not well beyond the databases, if not nil.
	Trouble func() []string
	// Version is what build_info says.
	Version string
	Log     *slog.Logger
}

// Server serves the databases of one process.
type Server struct {
	options   Options
	guard     guard
	handler   http.Handler
	databases databases
	// streams are the places for readers that stay.
	streams chan struct{}
	live    live
}

// mostStreams bounds the readers of /events and /api/live together.
const mostStreams = 64

// New returns a server.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o, guard: newGuard(o.Token), streams: make(chan struct{}, mostStreams)}
	s.live.poke = make(chan struct{}, 1)
	for _, d := range o.Databases {
		s.Add(d)
	}
	s.handler = s.guard.wrap(s.routes())
	return s
}

// ServeHTTP answers one request; what is live needs Run.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Run serves on l, which it closes, until ctx ends.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &http.Server{
		Handler: s, BaseContext: func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
	}
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	parts.Go(func() { s.sample(ctx) })
	parts.Go(func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if h.Shutdown(last) != nil {
			h.Close()
		}
	})
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}

// database returns the one that a request is about: ?db=, or the only one.
func (s *Server) database(r *http.Request) (*Database, error) {
	name := r.URL.Query().Get("db")
	list := s.all()
	if name == "" && len(list) == 1 {
		return list[0], nil
	}
	for _, d := range list {
		if d.Path == name {
			return d, nil
		}
	}
	return nil, &requestError{http.StatusNotFound, "no such database", "name one that is served as ?db=FILE"}
}
