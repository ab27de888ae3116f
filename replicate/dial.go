package replicate

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// backoff spaces attempts to reach a peer: the pauses double up to a limit, of
// seconds where the peer was there lately, because it will probably be back
// soon, and longer where it was not. Up to a half of each is left to chance,
// so that peers do not march in step.
type backoff struct {
	failures int
	reached  time.Time // when the peer was last there
}

const (
	firstRetry = 100 * time.Millisecond
	soonRetry  = 5 * time.Second
	lateRetry  = 30 * time.Second
	lately     = 10 * time.Minute
	// steady is how long a session lasts that counts as a success: one that
	// ends sooner, after a gap say, would end again.
	steady = 10 * time.Second
)

// pause returns how long to wait, jitter being in [0,1).
func (b *backoff) pause(now time.Time, jitter float64) time.Duration {
	most := lateRetry
	if now.Sub(b.reached) < lately {
		most = soonRetry
	}
	d := min(firstRetry<<min(b.failures, 10), most)
	b.failures++
	return d - time.Duration(jitter*float64(d)/2)
}

// startDialing starts the link's dialing. The node's mutex is held.
func (l *link) startDialing(d *dialing) {
	ctx, cancel := context.WithCancel(d.ctx)
	l.cancel = cancel
	d.group.Go(func() {
		defer cancel()
		l.dialOn(ctx)
	})
}

// dialOn keeps a session with the peer until ctx ends.
func (l *link) dialOn(ctx context.Context) {
	var b backoff
	var said string
	begun := time.Now()
	for attempt := 0; l.await(ctx); attempt++ {
		reached, err := l.dialOnce(ctx, attempt)
		if ctx.Err() != nil {
			return
		}
		now := time.Now()
		if reached {
			b.reached = now
			if now.Sub(begun) >= steady {
				b.failures = 0
			}
		}
		if ordinary(err) {
			said = ""
		} else if err.Error() != said {
			said = err.Error() // once, not with every attempt
			l.node.options.Log.Warn("connection ended", "peer", l.name(), "dataset", l.key.dataset, "error", err)
		}
		l.pause(ctx, b.pause(now, l.node.options.Jitter()))
		begun = time.Now()
	}
}

// await returns true when there is no session and an address to dial, false
// when ctx ends.
func (l *link) await(ctx context.Context) bool {
	for ctx.Err() == nil {
		l.node.mu.Lock()
		freed, addrs, grace := l.freed, len(l.addrs()), l.grace()
		l.node.mu.Unlock()
		if freed == nil && addrs > 0 {
			return true
		}
		var over <-chan time.Time
		if freed == nil && grace > 0 {
			over = time.After(grace)
		}
		select {
		case <-freed: // blocks if nil
		case <-over:
		case <-l.poke:
		case <-ctx.Done():
		}
	}
	return false
}

// pause waits, but not if settings change meanwhile.
func (l *link) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.poke:
	case <-ctx.Done():
	}
}

// dialOnce dials and runs a session to its end. reached says that the peer was
// there, whatever it said.
func (l *link) dialOnce(ctx context.Context, attempt int) (reached bool, err error) {
	c, err := l.dial(ctx, attempt)
	if err != nil {
		return errors.Is(err, ErrRefused), err
	}
	err = l.serve(ctx, c, nil)
	return true, err
}

// dial connects to the peer, at another of its addresses each time. A failure
// is noted for the status.
func (l *link) dial(ctx context.Context, attempt int) (*conn, error) {
	l.node.mu.Lock()
	addrs := l.addrs()
	l.node.mu.Unlock()
	if len(addrs) == 0 {
		return nil, ErrUnreachable
	}
	addr := addrs[attempt%len(addrs)]
	nc, err := l.node.options.Dialer.Dial(ctx, l.key.peer, addr, l.key.dataset)
	if err != nil {
		err = fmt.Errorf("dial %s: %w", addr, err)
		if ctx.Err() == nil {
			l.failed(err)
		}
		return nil, err
	}
	c, err := l.conn(newStream(nc), true)
	if err != nil {
		nc.Close()
	}
	return c, err
}

func (l *link) name() string {
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	return l.remote.Name
}
