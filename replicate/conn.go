package replicate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

// conn runs one session over a stream and a store. run owns every goroutine;
// the session belongs to run's own. The other methods are for anyone.
type conn struct {
	config config
	store  Store
	stream stream
	// dialed says that this side made the connection.
	dialed bool

	asks   chan ask
	quit   chan error    // what stop was called with
	done   chan struct{} // closed when run returns
	mu     sync.Mutex
	latest view
}

// view is what others may know of a running session.
type view struct {
	open    bool
	theirs  merge.Vector // nil before open
	missing string
	behind  error     // why the peer gets nothing more
	heard   time.Time // when a message came last
	inSync  time.Time // when both sides last had everything
	hint    hint      // where the next session may start, once this has ended
	err     error     // why it ended
}

// ask is an event from outside with a place for the action that answers it.
type ask struct {
	event event
	reply chan action
}

func newConn(c config, store Store, s stream, dialed bool) *conn {
	return &conn{
		config: c, store: store, stream: s, dialed: dialed,
		asks: make(chan ask), quit: make(chan error, 1), done: make(chan struct{}),
	}
}

// run runs the session until it ends and closes the stream. first is the
// peer's Hello if it was read already. An ordinary end is nil.
func (c *conn) run(ctx context.Context, first *wire.Hello) error {
	err := c.drive(ctx, first)
	c.finish(err)
	return err
}

// finish tells everyone who asks that the session has ended, or never was.
func (c *conn) finish(err error) {
	c.mu.Lock()
	c.latest.open, c.latest.err = false, err
	c.mu.Unlock()
	close(c.done)
}

func (c *conn) drive(ctx context.Context, first *wire.Hello) error {
	defer c.stream.Close()
	grown, unsubscribe := c.store.Subscribe()
	defer unsubscribe()
	reoffers, unsubscribeOffers := c.store.Reoffers()
	defer unsubscribeOffers()
	var err error
	// The interest first: if it grows meanwhile, the vector is told too low.
	if err = c.readInterest(ctx); err != nil {
		turnAway(c.stream, err)
		return fmt.Errorf("read interest: %w", err)
	}
	if c.config.vector, err = try(ctx, c.store.Vector); err != nil {
		turnAway(c.stream, err)
		return fmt.Errorf("read vector: %w", err)
	}
	if c.config.tables, err = try(ctx, c.store.Offers); err != nil {
		turnAway(c.stream, err)
		return fmt.Errorf("read offers: %w", err)
	}
	if c.config.membership, err = readMembership(ctx, c.store, c.config.peer); err != nil {
		turnAway(c.stream, err)
		return fmt.Errorf("read membership: %w", err)
	}
	if c.config.moved, err = c.moved(ctx); err != nil {
		turnAway(c.stream, err)
		return fmt.Errorf("read moved tables: %w", err)
	}
	l := newLoop(ctx, c, grown, reoffers)
	defer l.close()
	l.step(started{})
	if first != nil {
		l.step(received{first})
	}
	return l.run(ctx)
}

// readInterest reads what the store wants of the peer: all, unless it chooses.
func (c *conn) readInterest(ctx context.Context) error {
	s, ok := c.store.(Chooser)
	if !ok {
		return nil
	}
	_, err := try(ctx, func(ctx context.Context) (struct{}, error) {
		var err error
		c.config.wants, c.config.held, err = s.Interest(ctx)
		return struct{}{}, err
	})
	return err
}

// view returns what is known of the session now.
func (c *conn) view() view {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest
}

// stop ends the session for a reason, nil for an ordinary end. It does not
// wait; the first reason counts.
func (c *conn) stop(err error) {
	select {
	case c.quit <- err:
	default:
	}
}

// ask puts an event to the session and waits for its answer.
func (c *conn) ask(ctx context.Context, e event) (action, error) {
	q := ask{e, make(chan action, 1)}
	asks := c.asks
	for {
		select {
		case asks <- q:
			asks = nil
		case a := <-q.reply:
			return a, nil
		case <-c.done:
			if err := c.view().err; err != nil {
				return nil, err
			}
			return nil, errClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// probe returns nil if the peer shows a sign of life.
func (c *conn) probe(ctx context.Context) error {
	_, err := c.ask(ctx, probed{})
	return err
}

// sync returns nil when both sides have what both had committed at the call.
func (c *conn) sync(ctx context.Context) error {
	_, err := c.ask(ctx, syncWanted{})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %s", err, c.missing())
	}
	return err
}

func (c *conn) missing() string {
	if m := c.view().missing; m != "" {
		return m
	}
	return "no answer to our hello"
}

// schema returns what the peer says its tables are.
func (c *conn) schema(ctx context.Context) (*wire.Schema, error) {
	a, err := c.ask(ctx, schemaWanted{})
	if err != nil {
		return nil, err
	}
	return a.(gotSchema).schema, nil
}
