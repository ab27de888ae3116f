package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"sqlsync/cdc"
	"sqlsync/replicate"
)

type serveCmd struct {
	Listen []string `sep:"none" placeholder:"ADDR" help:"Address to accept peers on, HOST:PORT; port 0 takes a free one. With several databases, one for each, in their order. Without it, this node only dials."`
	pages  `embed:""`
}

// group is a WaitGroup whose goroutines give an error.
type group struct{ sync.WaitGroup }

// Run serves every database until ctx ends.
func (c *serveCmd) Run(ctx context.Context, a *app) error {
	if len(a.DB) == 0 {
		return usage("no database named", "use --db FILE, or set $SQLSYNC_DB")
	}
	if len(c.Listen) > 0 && len(c.Listen) != len(a.DB) {
		return usage(fmt.Sprintf("%d databases and %d addresses", len(a.DB), len(c.Listen)), "give --listen once for each --db")
	}
	if err := c.pages.check(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pages, err := c.pages.open(a)
	if err != nil {
		return err
	}
	defer pages.close()
	var all group
	for i, path := range a.DB {
		s, err := c.begin(ctx, a, i, path)
		if err != nil {
			cancel(err)
			break
		}
		pages.add(s.member)
		// Pages read the store, so it stays open until they have ended.
		defer s.close()
		all.Go(func() {
			if err := s.run(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("serve %s: %w", path, err))
			}
		})
	}
	if err := pages.run(ctx); err != nil && ctx.Err() == nil {
		cancel(err)
	}
	<-ctx.Done()
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	a.say("stopped")
	return nil
}

// service is one database that is served.
type service struct {
	*member
	lock     *flock.Flock
	listener net.Listener
}

func (c *serveCmd) begin(ctx context.Context, a *app, i int, path string) (*service, error) {
	m, err := a.member(ctx, path, 0)
	if err != nil {
		return nil, err
	}
	s := &service{member: m, lock: flock.New(path + "-sqlsync.lock")}
	switch ok, err := s.lock.TryLock(); {
	case err != nil:
		m.store.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	case !ok:
		m.store.Close()
		return nil, hint(fmt.Errorf("%s is already being served", path), "stop the other sqlsync serve first")
	}
	if len(c.Listen) > 0 {
		if s.listener, err = net.Listen("tcp", c.Listen[i]); err != nil {
			s.close()
			return nil, hint(fmt.Errorf("listen on %s: %w", c.Listen[i], err), "choose another --listen address, or end the program that has it")
		}
		a.say("serving %s on %s as %s", path, s.listener.Addr(), nodeKey(m.store.Node()))
	} else {
		a.say("serving %s as %s", path, nodeKey(m.store.Node()))
	}
	return s, nil
}

func (s *service) close() {
	if s.listener != nil {
		s.listener.Close()
	}
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
	if s.listener != nil {
		parts = append(parts, func(ctx context.Context) error { return s.listen(ctx, s.listener) })
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

func (s *service) report(ctx context.Context) error {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.note(context.WithoutCancel(ctx), true)
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
