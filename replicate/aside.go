package replicate

import (
	"context"
	"fmt"
	"net"
	"time"

	"sqlsync/wire"
)

// Greet returns what the peer at the other end of an authenticated connection
// says of itself and a dataset, and closes the connection. Sessions that there
// are stay.
func Greet(ctx context.Context, nc net.Conn, dataset, software string) (*wire.Hello, error) {
	s := newStream(nc)
	defer s.Close()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	s.SetWriteDeadline(time.Now().Add(defaultLimits.helloWithin))
	err := s.Write(&wire.Hello{MinProtocol: wire.MinProtocol, MaxProtocol: wire.MaxProtocol, Software: software, Dataset: datasetName(dataset)})
	if err != nil {
		return nil, fmt.Errorf("write hello: %w", err)
	}
	hello, err := greet(ctx, s, defaultLimits.helloWithin)
	if err == nil {
		turnAway(s, nil)
	}
	return hello, err
}

// maxAsides bounds a peer's sessions beside the one of its link.
const maxAsides = 4

// serveAside runs a session beside the link's, which it leaves alone: one whose
// peer only asks something, or syncs once.
func (l *link) serveAside(ctx context.Context, c *conn, first *wire.Hello) error {
	if err := l.enterAside(c); err != nil {
		turnAway(c.stream, err)
		c.finish(err)
		return err
	}
	defer func() {
		l.node.mu.Lock()
		defer l.node.mu.Unlock()
		delete(l.asides, c)
	}()
	return c.run(ctx, first)
}

func (l *link) enterAside(c *conn) error {
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	switch {
	case l.removed:
		return fmt.Errorf("%w: not a remote", ErrRefused)
	case len(l.asides) == maxAsides:
		return fmt.Errorf("%w: more than %d sessions at a time", ErrRefused, maxAsides)
	}
	if l.asides == nil {
		l.asides = make(map[*conn]bool)
	}
	l.asides[c] = true
	l.permit(c)
	return nil
}
