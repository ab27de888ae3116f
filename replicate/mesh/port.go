package mesh

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/replicate"
)

// Port is an address at which databases are reached: one, or several of one
// process, since peers ask for a node by its key.
type Port struct {
	net.Listener
	log *slog.Logger

	mu      sync.Mutex
	answers []*answer
}

// answer is a database that is reached at a port.
type answer struct {
	*Member
	ctx   context.Context
	conns sync.WaitGroup // none is added once it has left the port
}

// NewPort lets peers in at a listener, which is the port's from then on. Log may
// be nil.
func NewPort(l net.Listener, log *slog.Logger) *Port {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Port{Listener: l, log: log}
}

// join lets peers of a database in. leave ends that, and waits for their
// connections to end.
func (p *Port) join(ctx context.Context, m *Member) (leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	a := &answer{Member: m, ctx: ctx}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.answers) == crypto.MaxHosts {
		m.log.Error("too many databases at one address: peers cannot reach this one", "addr", p.Addr().String(), "most", crypto.MaxHosts)
		return cancel
	}
	p.answers = append(p.answers, a)
	return func() {
		p.mu.Lock()
		p.answers = slices.DeleteFunc(p.answers, func(b *answer) bool { return a == b })
		p.mu.Unlock()
		cancel()
		a.conns.Wait()
	}
}

// Run accepts connections until ctx ends, each in a goroutine that it waits
// for.
func (p *Port) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { p.Close() })
	defer stop()
	var lobby lobby
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		raw, err := p.Accept()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			p.log.Error("cannot accept for now", "addr", p.Addr().String(), "err", err)
			replicate.Wait(ctx, time.Second) // out of descriptors, mostly
			continue
		}
		leave, ok := lobby.enter(raw)
		if !ok {
			raw.Close()
			continue
		}
		conns.Go(func() {
			a, c, err := p.greet(ctx, raw)
			leave()
			if err != nil {
				raw.Close()
				if a == nil { // whoever knocks here is not worth a line each
					p.log.Debug("refused a connection", "from", raw.RemoteAddr().String(), "err", err)
				} else {
					a.refused(raw.RemoteAddr(), err)
				}
				return
			}
			defer a.conns.Done()
			defer a.peers.enter(merge.NodeID(c.Peer()), raw.RemoteAddr())()
			if err := a.Node.Accept(a.ctx, c, merge.NodeID(c.Peer())); err != nil && a.ctx.Err() == nil {
				a.log.Warn("session ended", "from", raw.RemoteAddr().String(), "err", err)
			}
		})
	}
}

// greet finds the database that a client wants, which has to be there still
// when the client is let in; a.conns has the connection then.
func (p *Port) greet(ctx context.Context, raw net.Conn) (*answer, *crypto.Conn, error) {
	p.mu.Lock()
	answers := slices.Clone(p.answers)
	p.mu.Unlock()
	hosts := make([]crypto.Host, len(answers))
	for i, a := range answers {
		hosts[i] = crypto.Host{Identity: a.Identity, Admit: a.admit(ctx, raw.RemoteAddr())}
	}
	c, i, err := crypto.ServerOf(ctx, raw, hosts, crypto.Options{})
	if i < 0 {
		return nil, nil, err
	}
	a := answers[i]
	if err != nil {
		return a, nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.answers, a) {
		return a, nil, errors.Join(errors.New("the database is no longer served"), c.Close())
	}
	a.conns.Add(1)
	return a, c, nil
}
