package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sqlsync/cdc"
	"sqlsync/replicate"
)

type serveCmd struct {
	Listen []string `sep:"none" placeholder:"ADDR" help:"Address to accept peers on, HOST:PORT; port 0 takes a free one. With several databases, one for each, in their order. Without it, this node only dials."`
	pages  `embed:""`
}

// group is a WaitGroup whose goroutines give an error.
type group struct{ sync.WaitGroup }

// Run serves every database until ctx ends. One that cannot be served any more
// stops no other.
func (c *serveCmd) Run(ctx context.Context, a *app) error {
	if len(a.DB) == 0 {
		return usage("no database named", "use --db FILE, or set $SQLSYNC_DB")
	}
	for _, addr := range c.Listen {
		if err := checkListen(addr); err != nil {
			return err
		}
	}
	if len(c.Listen) > 0 && len(c.Listen) != len(a.DB) {
		return usage(fmt.Sprintf("%d databases and %d addresses", len(a.DB), len(c.Listen)), "give --listen once for each --db")
	}
	if err := c.pages.check(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pages, err := c.pages.open(a)
	if err != nil {
		return err
	}
	defer pages.close()
	var all group
	var first atomic.Pointer[error]
	failed := func(err error) { first.CompareAndSwap(nil, &err) }
	for i, path := range a.DB {
		s, err := c.begin(ctx, a, i, path)
		if err != nil {
			failed(err)
			cancel()
			break
		}
		pages.add(s.member)
		all.Go(func() {
			defer s.close()
			if err := s.run(ctx); err != nil && ctx.Err() == nil {
				failed(explainEnded(path, err))
				if len(a.DB) > 1 {
					s.log.Error("no longer served", "err", err)
				}
			}
		})
	}
	var shown group
	shown.Go(func() {
		if err := pages.run(ctx); err != nil && ctx.Err() == nil {
			failed(err)
			cancel()
		}
	})
	all.Wait()
	cancel()
	shown.Wait()
	if err := first.Load(); err != nil {
		return *err
	}
	a.say("stopped")
	return nil
}

// explainEnded says what to do about a database that cannot be served any more.
func explainEnded(path string, err error) error {
	switch {
	case errors.Is(err, cdc.ErrReplaced):
		return hint(fmt.Errorf("%s was replaced by another file (or removed) while it was served", path),
			"start serve again; if the file was put back from a backup, see docs/operations.md")
	case errors.Is(err, cdc.ErrUninstalled):
		return hint(fmt.Errorf("sqlsync was uninstalled from %s while it was served", path),
			"watch its tables again to replicate them; it is then a new node")
	}
	return fmt.Errorf("serve %s: %w", path, explain(path, err))
}

// service is one database that is served.
type service struct {
	*member
	lock     lock
	listener net.Listener
}

func (c *serveCmd) begin(ctx context.Context, a *app, i int, path string) (*service, error) {
	// Looked at before the file is opened: SQLite gives a hard link a journal of
	// its own name, and two names at once can destroy the file.
	if served(path) {
		return nil, explainLock(path, errServed)
	}
	m, err := a.member(ctx, path, 0)
	if err != nil {
		return nil, err
	}
	m.dialer.peers = newPresence(m.log, m.nameOf)
	s := &service{member: m}
	if s.lock, err = takeLock(path); err != nil {
		m.store.Close()
		return nil, explainLock(path, err)
	}
	if len(c.Listen) > 0 {
		if s.listener, err = net.Listen("tcp", c.Listen[i]); err != nil {
			s.close()
			return nil, hint(fmt.Errorf("listen on %s: %w", c.Listen[i], withoutAddr(err)), "choose another --listen address, or end the program that has it")
		}
		a.say("serving %s on %s as %s", path, s.listener.Addr(), nodeKey(m.store.Node()))
	} else {
		a.say("serving %s as %s", path, nodeKey(m.store.Node()))
	}
	if err := m.warnIdle(ctx, s.listener != nil); err != nil {
		s.close()
		return nil, explain(path, err)
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
	s.lock.release()
}

// run follows the database, keeps its sessions and accepts peers, and returns
// when all of that has ended; the first to fail ends the others.
func (s *service) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	parts := []func(context.Context) error{s.store.Follow, s.node.Run, s.reload, s.report, s.reportTroubles, s.roll, s.prune, s.noteListening, s.noteStrangers}
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

// expiryEvery is how often the clock is looked at while a remote is to expire: it
// may be set, and a sleeping machine's timers stand still.
const expiryEvery = 30 * time.Second

// reload tells the node whatever other processes change of the remotes and the
// datasets, and which remotes have expired.
func (s *service) reload(ctx context.Context) error {
	changed, stop := s.store.Reconfigured()
	defer stop()
	for {
		next, err := s.readRemotes(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("read remotes", "err", err)
		}
		var expiry <-chan time.Time
		if !next.IsZero() {
			expiry = time.After(min(time.Until(next), expiryEvery))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-expiry:
		}
	}
}

// noteListening tells sqlsync invite where this node can be reached.
func (s *service) noteListening(ctx context.Context) error {
	var addrs []string
	if s.listener != nil {
		addrs = append(addrs, s.listener.Addr().String())
	}
	if err := s.store.NoteListening(ctx, addrs); err != nil && ctx.Err() == nil {
		s.log.Warn("note addresses", "err", err)
	}
	return nil
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
