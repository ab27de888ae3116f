package replicate

import (
	"context"
	"fmt"

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
func (n *Node) Digests(ctx context.Context, remote, dataset string) (d *wire.Digests, err error) {
	err = n.beside(ctx, remote, dataset, func(c *conn) error {
		a, err := c.ask(ctx, digestsWanted{})
		if err == nil {
			d = a.(gotDigests).digests
		}
		return err
	})
	return d, err
}
