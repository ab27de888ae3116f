package replicate

import (
	"context"
	"fmt"

	"sqlsync/wire"
)

// maxAsides bounds a peer's sessions beside the one of its link.
const maxAsides = 4

// serveAside runs a session whose peer neither pulls nor pushes, but asks
// something. It leaves the link's session alone.
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
		return fmt.Errorf("%w: more than %d sessions that only ask", ErrRefused, maxAsides)
	}
	if l.asides == nil {
		l.asides = make(map[*conn]bool)
	}
	l.asides[c] = true
	l.permit(c)
	return nil
}
