package replicate

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"sqlsync/wire"
)

// digesting is what a session knows of digests, asked for and to be given.
type digesting struct {
	// protocol is the version that the two sides speak.
	protocol          uint32
	wanted, answering bool
}

// askDigests asks the peer once it is known to understand.
func (s *session) askDigests() {
	if !s.digests.wanted || !s.isOpen {
		return
	}
	s.digests.wanted = false
	if s.digests.protocol < wire.DigestProtocol {
		s.end(fmt.Errorf("%w: digests need version %d and the peer speaks %d", ErrProtocol, wire.DigestProtocol, s.digests.protocol))
		return
	}
	s.outbox.post(&wire.DigestRequest{})
}

// digestsAsked answers only peers that may pull.
func (s *session) digestsAsked() {
	switch {
	case !s.push:
		s.end(fmt.Errorf("digests of %q: %w", s.dataset, ErrRefused))
	case !s.trusted:
		s.end(fmt.Errorf("digests of %q: %w", s.dataset, ErrNoMember))
	case s.digests.answering, s.digests.protocol < wire.DigestProtocol:
		s.end(fmt.Errorf("digests out of place: %w", wire.ErrInvalid))
	default:
		s.digests.answering = true
		s.do(digest{})
	}
}

func (l *loop) digest(ctx context.Context) {
	d, err := try(ctx, func(ctx context.Context) (*wire.Digests, error) {
		if s, ok := l.store.(Digester); ok {
			return s.Digests(ctx)
		}
		return &wire.Digests{}, nil
	})
	if err != nil {
		l.fail("digest", err)
		return
	}
	l.post(digested{d})
}

// Digests returns what a remote's tables hold, over a connection of its own
// that leaves sessions alone. The remote must allow us to pull from it.
func (n *Node) Digests(ctx context.Context, remote, dataset string) (*wire.Digests, error) {
	r, ok := n.remote(remote)
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUnknownRemote, remote)
	}
	dataset = datasetName(dataset)
	store, ok := n.options.Stores.Store(dataset)
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrNoDataset, dataset)
	}
	err := error(ErrUnreachable)
	for _, addr := range r.Addrs {
		var d *wire.Digests
		if d, err = n.digests(ctx, r, addr, dataset, store); err == nil {
			return d, nil
		}
		if errors.Is(err, ErrProtocol) {
			break
		}
	}
	return nil, fmt.Errorf("digests of %s, dataset %q: %w", remote, dataset, err)
}

func (n *Node) digests(ctx context.Context, r Remote, addr, dataset string, store Store) (*wire.Digests, error) {
	nc, err := n.options.Dialer.Dial(ctx, r.Peer, addr, dataset)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	c := newConn(config{
		self: n.options.Self, peer: r.Peer, dataset: dataset, software: n.options.Software, limits: defaultLimits,
	}, store, newStream(nc), true)
	var group sync.WaitGroup
	group.Go(func() { c.run(context.WithoutCancel(ctx), nil) }) // its error is the ask's
	defer group.Wait()
	defer c.stop(nil)
	a, err := c.ask(ctx, digestsWanted{})
	if err != nil {
		return nil, err
	}
	return a.(gotDigests).digests, nil
}
