package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"sqlsync/cdc"
	"sqlsync/replicate"
)

type serveCmd struct {
	Listen      []string `sep:"none" placeholder:"ADDR" help:"Address to accept peers on, HOST:PORT; port 0 takes a free one. With several databases, one for all of them, or one for each in their order. Without it, this node only dials."`
	RespondOnly bool     `help:"Never dial: wait for peers to connect."`
}

// group is a WaitGroup whose goroutines give an error.
type group struct{ sync.WaitGroup }

// Run serves every database until ctx ends.
func (c *serveCmd) Run(ctx context.Context, a *app) error {
	if err := c.check(a); err != nil {
		return err
	}
	f := newFleet(a, c)
	if err := f.name(a.DB); err != nil {
		return err
	}
	if err := f.openPorts(c.Listen); err != nil {
		return err
	}
	if err := f.run(ctx); err != nil {
		return err
	}
	a.say("stopped")
	return nil
}

func (c *serveCmd) check(a *app) error {
	switch {
	case len(a.DB) == 0:
		return usage("no database named", "use --db FILE, or set $SQLSYNC_DB")
	case c.RespondOnly && len(c.Listen) == 0:
		return usage("--respond-only without --listen: nobody could meet", "add --listen HOST:PORT")
	case len(c.Listen) > 1 && len(c.Listen) != len(a.DB):
		return usage(fmt.Sprintf("%d databases and %d addresses", len(a.DB), len(c.Listen)), "give --listen once for all, or once for each --db")
	case len(c.Listen) > 1 && slices.ContainsFunc(a.DB, isPattern):
		return usage("several addresses and a pattern", "give --listen once: all databases are reached there")
	}
	return nil
}

// service is one database that is served.
type service struct {
	*member
	lock *flock.Flock
	port *port // nil if it is not reached
}

func (c *serveCmd) begin(ctx context.Context, a *app, p *port, path string) (*service, error) {
	m, err := a.member(ctx, path, 0)
	if err != nil {
		return nil, err
	}
	s := &service{member: m, lock: flock.New(path + "-sqlsync.lock"), port: p}
	switch ok, err := s.lock.TryLock(); {
	case err != nil:
		m.store.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	case !ok:
		m.store.Close()
		return nil, hint(fmt.Errorf("%s is already being served", path), "stop the other sqlsync serve first")
	}
	if c.RespondOnly {
		m.respondOnly = true
		if err := m.readRemotes(ctx); err != nil {
			s.close()
			return nil, err
		}
	}
	if p != nil {
		a.say("serving %s on %s as %s", path, p.Addr(), nodeKey(m.store.Node()))
	} else {
		a.say("serving %s as %s", path, nodeKey(m.store.Node()))
	}
	return s, nil
}

func (s *service) close() {
	if err := s.store.Close(); err != nil {
		s.log.Error("close database", "err", err)
	}
	s.lock.Unlock()
}

// run follows the database, keeps its sessions and accepts peers, and returns
// when all of that has ended; the first to fail ends the others.
func (s *service) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	parts := []func(context.Context) error{s.store.Follow, s.node.Run, s.reload, s.report, s.roll}
	if s.port != nil {
		parts = append(parts, func(ctx context.Context) error { return s.port.answer(ctx, s.member) })
	}
	var all group
	for _, part := range parts {
		all.Go(func() {
			if err := part(ctx); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// roll compares rows with their metadata in the background.
func (s *service) roll(ctx context.Context) error { return s.store.Roll(ctx, cdc.RollingOptions{}) }

// reload tells the node whatever other processes change of the remotes and the
// datasets.
func (s *service) reload(ctx context.Context) error {
	changed, stop := s.store.Reconfigured()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
		if err := s.readRemotes(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("read remotes", "err", err)
		}
	}
}

// reportEvery is how often what is known of peers is noted in the database,
// where status reads it. Nothing is written where nothing has changed.
const reportEvery = 500 * time.Millisecond

// lastWait is how long what is noted at the end may wait for an application's
// lock.
const lastWait = time.Second

func (s *service) report(ctx context.Context) error {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWait)
			defer cancel()
			return s.note(last, true)
		case <-tick.C:
		}
		if err := s.note(ctx, false); err != nil && ctx.Err() == nil {
			s.log.Warn("note the state of peers", "err", err)
		}
	}
}

func (s *service) note(ctx context.Context, ending bool) error {
	list, err := s.node.Status(ctx)
	if err != nil {
		return err
	}
	states := make([]cdc.PeerState, len(list))
	for i, p := range list {
		states[i] = cdc.PeerState{Peer: p.Remote.Peer, State: string(p.State), Error: p.Error, LastSync: p.LastSync}
		if ending {
			states[i].State = string(replicate.Idle)
		}
	}
	return s.store.NotePeers(ctx, states)
}

// served reports whether a serve is running on a database.
func served(path string) bool {
	l := flock.New(path + "-sqlsync.lock")
	ok, err := l.TryLock()
	if err != nil {
		return false
	}
	if ok {
		l.Unlock()
	}
	return !ok
}
