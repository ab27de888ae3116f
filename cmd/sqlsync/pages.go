package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/web"
	"sqlsync/replicate/mesh"
)

// tokenEnv holds the token of the pages for services, whose command line can be
// read by everybody.
const tokenEnv = "SQLSYNC_HTTP_TOKEN"

// pages is what serve offers over HTTP.
type pages struct {
	HTTP          string  `name:"http" placeholder:"ADDR" help:"Address for health, metrics, the change feed and a page, HOST:PORT; other than loopback needs --http-token."`
	HTTPToken     string  `name:"http-token" env:"SQLSYNC_HTTP_TOKEN" placeholder:"TOKEN" help:"What HTTP requests must bring ($$SQLSYNC_HTTP_TOKEN)."`
	MaxLagRows    int64   `placeholder:"N" help:"/health fails when a peer lacks more changes, or more are not sealed."`
	MaxLagSeconds float64 `placeholder:"S" help:"/health fails when a peer lacks an older change, or an older one is not sealed."`
	Pprof         bool    `help:"Offer Go's profiles under /debug/pprof/."`
}

func (p *pages) check() error {
	switch {
	case p.HTTP == "" && (p.MaxLagRows != 0 || p.MaxLagSeconds != 0 || p.Pprof):
		return usage("--max-lag-rows, --max-lag-seconds and --pprof go with --http", "add --http 127.0.0.1:8117")
	case p.HTTP == "":
		return nil
	case p.MaxLagRows < 0 || p.MaxLagSeconds < 0:
		return usage("a limit of the lag is negative", "leave it out for no limit")
	}
	if _, _, err := net.SplitHostPort(p.HTTP); err != nil {
		return usage(fmt.Sprintf("--http %q is no address", p.HTTP), "use HOST:PORT, such as 127.0.0.1:8117")
	}
	if p.HTTPToken == "" && !web.Loopback(p.HTTP) {
		return usage(fmt.Sprintf("--http %s is reached from other machines and has no token", p.HTTP),
			"add --http-token or set $"+tokenEnv+", or listen on 127.0.0.1")
	}
	return nil
}

// paging is pages on their way; nil is none.
type paging struct {
	listener net.Listener
	server   *web.Server
}

// open takes the address, so that what is wrong with it ends serve at once.
// trouble lists what is not served.
func (p *pages) open(a *app, trouble func() []string) (*paging, error) {
	if p.HTTP == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", p.HTTP)
	if err != nil {
		return nil, hint(fmt.Errorf("listen on %s: %w", p.HTTP, err), "%s", listenRemedy("--http", err))
	}
	counters := web.NewCounters()
	a.observe = counters.Observe
	a.say("pages on http://%s/", l.Addr())
	return &paging{l, web.New(web.Options{
		Counters: counters, Token: p.HTTPToken, Limit: web.Limit{Rows: p.MaxLagRows, Seconds: p.MaxLagSeconds},
		Pprof: p.Pprof, Version: version(), Log: a.logger(), Trouble: trouble,
	})}, nil
}

// add has a database shown until the function that it returns is called.
func (p *paging) add(m *mesh.Member) (remove func()) {
	if p == nil {
		return func() {}
	}
	d := &web.Database{
		Path: m.Store.Path(), Store: m.Store, Peers: m.Node.Status, Resolve: settler{m.Store},
		Show: web.Show{
			Key:          nodeKey,
			Change:       func(e *cdc.Entry) any { return logLineOf(e, m.Store.Mine) },
			Status:       func(ctx context.Context) (any, error) { return readStatus(ctx, m.Store) },
			Unreplicated: func(ctx context.Context) ([]web.Unreplicated, error) { return shownUnreplicated(ctx, m.Store) },
			Tables: func(ctx context.Context) (any, error) {
				list, err := m.Store.Tables(ctx)
				return tableRows(list), explain(m.Store.Path(), err)
			},
			Conflicts: func(ctx context.Context) (any, error) {
				list, err := m.Store.Conflicts(ctx)
				return conflictRows(list), explain(m.Store.Path(), err)
			},
		},
	}
	p.server.Add(d)
	return func() { p.server.Remove(d) }
}

// settler settles conflicts as the verbs do, with what to do where that fails.
type settler struct{ store *cdc.Store }

func (s settler) RestoreConflict(ctx context.Context, id string) error {
	return explainSettled(s.store, id, s.store.RestoreConflict(ctx, id))
}

func (s settler) DismissConflict(ctx context.Context, id string) error {
	return explainSettled(s.store, id, s.store.DismissConflicts(ctx, id))
}

// run serves until ctx ends.
func (p *paging) run(ctx context.Context) error {
	if p == nil {
		return nil
	}
	if err := p.server.Run(ctx, p.listener); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("serve pages: %w", err)
	}
	return nil
}
