package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sqlsync/cdc"
	"sqlsync/replicate"
)

type serveCmd struct {
	Listen      []string `sep:"none" placeholder:"ADDR" help:"Address to accept peers on, HOST:PORT; port 0 takes a free one. With several databases, one for all of them, or one for each in their order. Without it, this node only dials."`
	RespondOnly bool     `help:"Never dial: wait for peers to connect."`
	Discover    bool     `help:"Announce this node to the local network, without saying whose it is to those who do not know its key, and dial remotes that announce themselves."`
	pages       `embed:""`
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
	if err := f.openPages(&c.pages); err != nil {
		return err
	}
	if err := f.openDiscovery(ctx, c.Discover); err != nil {
		return err
	}
	if err := f.run(ctx); err != nil {
		return err
	}
	a.say("stopped")
	return nil
}

func (c *serveCmd) check(a *app) error {
	for _, addr := range c.Listen {
		if err := checkListen(addr); err != nil {
			return err
		}
	}
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
	return c.pages.check()
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
	lock lock
	// port is where it is reached, nil if it is not; leave takes it from there.
	port  *port
	leave func()
}

func (c *serveCmd) begin(ctx context.Context, a *app, p *port, path string) (*service, error) {
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
	s := &service{member: m, port: p}
	if s.lock, err = takeLock(path); err != nil {
		m.store.Close()
		return nil, explainLock(path, err)
	}
	if c.RespondOnly {
		m.respondOnly = true
		if _, err := m.readRemotes(ctx); err != nil {
			s.close()
			return nil, err
		}
	}
	if p != nil {
		a.say("serving %s on %s as %s", path, p.Addr(), nodeKey(m.store.Node()))
	} else {
		a.say("serving %s as %s", path, nodeKey(m.store.Node()))
	}
	if err := m.warnIdle(ctx, p != nil, c.Discover); err != nil {
		s.close()
		return nil, explain(path, err)
	}
	if p != nil {
		s.leave = p.join(ctx, m)
	}
	return s, nil
}

func (s *service) close() {
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
	parts := []func(context.Context) error{s.store.Follow, s.node.Run, s.reload, s.report, s.reportTroubles, s.roll, s.prune, s.noteListening, s.noteStrangers, s.hooks}
	if s.port != nil {
		parts = append(parts, func(ctx context.Context) error {
			<-ctx.Done()
			s.leave()
			return nil
		})
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
	if s.port != nil {
		addrs = append(addrs, s.port.Addr().String())
	}
	if err := s.store.NoteListening(ctx, addrs); err != nil && ctx.Err() == nil {
		s.log.Warn("note addresses", "err", err)
	}
	return nil
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
