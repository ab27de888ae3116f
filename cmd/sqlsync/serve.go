package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"sqlsync/cdc"
	"sqlsync/replicate/mesh"
)

type serveCmd struct {
	Listen      []string `sep:"none" placeholder:"ADDR" help:"Address to accept peers on, HOST:PORT; port 0 takes a free one. With several databases, one for all of them, or one for each in their order. Without it, this node only dials."`
	RespondOnly bool     `help:"Never dial: wait for peers to connect."`
	Discover    bool     `help:"Announce this node to the local network, without saying whose it is to those who do not know its key, and dial remotes that announce themselves."`
	exchanging  `embed:""`
	pages       `embed:""`
}

// exchanging says whether addresses are exchanged.
type exchanging struct {
	PeerExchange bool `default:"true" negatable:"" help:"Tell peers where the remotes are that they have, too, and learn it from them. --no-peer-exchange does neither, and uses nothing that was learned."`
}

// group is a WaitGroup whose goroutines give an error.
type group struct{ sync.WaitGroup }

// Run serves every database until ctx ends.
func (c *serveCmd) Run(ctx context.Context, a *app) error {
	if err := c.check(a); err != nil {
		return err
	}
	a.noExchange = !c.PeerExchange
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
	if c.Discover {
		warnUnreachable(a, f.addrs())
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

// endedError says in other words why a database is not served any more.
type endedError struct {
	text  string
	cause error
}

func (e *endedError) Error() string { return e.text }
func (e *endedError) Unwrap() error { return e.cause }

// explainEnded says what to do about a database that cannot be served any more.
func explainEnded(path string, err error) error {
	switch {
	case errors.Is(err, cdc.ErrReplaced):
		return hint(&endedError{path + " was replaced by another file (or removed) while it was served", err},
			"start serve again; if the file was put back from a backup, see docs/operations.md")
	case errors.Is(err, cdc.ErrUninstalled):
		return hint(&endedError{"sqlsync was uninstalled from " + path + " while it was served", err},
			"watch its tables again to replicate them; it is then a new node")
	}
	return fmt.Errorf("serve %s: %w", path, explain(path, err))
}

// service is one database that is served.
type service struct {
	*mesh.Member
	log *slog.Logger
	run func(context.Context) error
}

func (c *serveCmd) begin(ctx context.Context, a *app, p *mesh.Port, path string) (*service, error) {
	o := a.meshOptions(ctx, path, 0)
	o.Exclusive = true
	m, err := mesh.Open(ctx, path, o)
	if err != nil {
		return nil, explain(path, err)
	}
	s := &service{Member: m, log: a.logger().With("db", path)}
	if p != nil {
		a.say("serving %s on %s as %s", path, p.Addr(), nodeKey(m.Store.Node()))
	} else {
		a.say("serving %s as %s", path, nodeKey(m.Store.Node()))
	}
	err = s.warnIdle(ctx, p != nil, c.Discover)
	if err == nil {
		var begun *mesh.Service
		begun, err = m.Begin(ctx, mesh.ServeOptions{Port: p, RespondOnly: c.RespondOnly, Reach: reachOf(p), Beside: []func(context.Context) error{s.reportTroubles, s.hooks}})
		if err == nil {
			s.run = begun.Run
			return s, nil
		}
	}
	s.close()
	if cdc.Ended(err) { // it was open already
		return nil, explainEnded(path, err)
	}
	return nil, explain(path, err)
}

func (s *service) close() {
	if err := s.Close(); err != nil {
		s.log.Error("close database", "err", err)
	}
}
