package replicate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"sqlsync/wire"
)

// Comparer is a Store whose tables peers can compare with theirs.
type Comparer interface {
	// Compare answers one of the requests of package wire that are about
	// contents, fingerprints, states and ranges. An error that wraps
	// wire.ErrInvalid is the question's.
	Compare(ctx context.Context, question wire.Message) (answer wire.Message, err error)
}

// comparing is what a session knows of comparisons. There is one question at a
// time in either direction.
type comparing struct {
	wanted wire.Message
	// asked says that an answer is to come, answering that one is to be given.
	asked, answering bool
}

// comparesRanges reports whether the peer can compare by ranges.
func (s *session) comparesRanges() bool { return s.digests.protocol >= wire.RangeProtocol }

// askComparison asks the peer once it is known to understand.
func (s *session) askComparison() {
	c := &s.comparing
	if c.wanted == nil || !s.isOpen || s.evening.asked {
		return
	}
	if !s.comparesRanges() {
		s.end(fmt.Errorf("%w: to compare ranges needs version %d and the peer speaks %d", ErrProtocol, wire.RangeProtocol, s.digests.protocol))
		return
	}
	s.outbox.post(c.wanted)
	c.wanted, c.asked = nil, true
}

// comparisonAsked answers only peers that may pull.
func (s *session) comparisonAsked(m wire.Message) {
	switch {
	case !s.push:
		s.end(fmt.Errorf("comparison of %q: %w", s.dataset, ErrRefused))
	case !s.trusted:
		s.end(fmt.Errorf("comparison of %q: %w", s.dataset, ErrNoMember))
	case s.comparing.answering, !s.comparesRanges():
		s.end(fmt.Errorf("%T out of place: %w", m, wire.ErrInvalid))
	default:
		s.comparing.answering = true
		s.do(compare{m})
	}
}

// comparisonCame takes an answer: to a question of ours, or for the snapshot
// that is being taken.
func (s *session) comparisonCame(m wire.Message) {
	switch {
	case s.comparing.asked:
		s.comparing.asked = false
		s.do(gotComparison{m})
	case s.evening.asked:
		s.evenCame(m)
	case s.snapshots.taking:
		s.do(takeSnapshot{part: m})
	default:
		s.end(fmt.Errorf("%T out of place: %w", m, wire.ErrInvalid))
	}
}

func (l *loop) compare(ctx context.Context, a compare) {
	answer, err := try(ctx, func(ctx context.Context) (wire.Message, error) {
		c, ok := l.store.(Comparer)
		if !ok {
			return nil, fmt.Errorf("comparison: %w", wire.ErrInvalid)
		}
		return c.Compare(ctx, a.question)
	})
	if err != nil {
		l.fail("compare tables", err)
		return
	}
	l.post(compared{answer})
}

// Asker puts questions about what its tables hold to a peer, one at a time.
type Asker func(ctx context.Context, question wire.Message) (answer wire.Message, err error)

// Compare calls fn with what asks a remote, over a connection of its own that
// leaves sessions alone. The remote must allow us to pull from it; one of an
// earlier version gives ErrProtocol. Until a question was answered fn may be called
// again, for another address.
func (n *Node) Compare(ctx context.Context, remote, dataset string, fn func(Asker) error) error {
	var broken error // after an answer
	err := n.beside(ctx, remote, dataset, func(c *conn) error {
		answered := false
		err := fn(func(ctx context.Context, question wire.Message) (wire.Message, error) {
			a, err := c.ask(ctx, comparisonWanted{question})
			if err != nil {
				return nil, err
			}
			answered = true
			return a.(gotComparison).answer, nil
		})
		if answered {
			broken, err = err, nil
		}
		return err
	})
	return cmp.Or(err, broken)
}

// beside calls fn with a connection to a remote that neither pulls nor pushes.
// fn is called once for an address that answers.
func (n *Node) beside(ctx context.Context, remote, dataset string, fn func(*conn) error) error {
	r, ok := n.remote(remote)
	if !ok {
		return fmt.Errorf("%w: %q", ErrUnknownRemote, remote)
	}
	dataset = datasetName(dataset)
	store, ok := n.options.Stores.Store(dataset)
	if !ok {
		return fmt.Errorf("%w: %q", ErrNoDataset, dataset)
	}
	err := error(ErrUnreachable)
	for _, addr := range r.Addrs {
		if err = n.besideAt(ctx, r, addr, dataset, store, fn); err == nil {
			return nil
		}
		if errors.Is(err, ErrProtocol) {
			break
		}
	}
	return fmt.Errorf("compare with %s, dataset %q: %w", remote, dataset, err)
}

func (n *Node) besideAt(ctx context.Context, r Remote, addr, dataset string, store Store, fn func(*conn) error) error {
	nc, err := n.options.Dialer.Dial(ctx, r.Peer, addr, dataset)
	if err != nil {
		return fmt.Errorf("dial %s: %w", addr, err)
	}
	c := newConn(config{
		self: n.options.Self, peer: r.Peer, dataset: dataset, software: n.options.Software, limits: defaultLimits,
	}, store, newStream(nc), true)
	var group sync.WaitGroup
	group.Go(func() { c.run(context.WithoutCancel(ctx), nil) }) // its error is the ask's
	defer group.Wait()
	defer c.stop(nil)
	return fn(c)
}
