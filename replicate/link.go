package replicate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

// link is what a node has with one peer about one dataset. It sees to it that
// there is one session at a time. Its fields are guarded by the node's mutex.
type link struct {
	node *Node
	key  linkKey

	remote  Remote
	removed bool
	live    *conn
	// asides are sessions beside the one.
	asides map[*conn]bool
	// freed is closed when live ends; it is nil while there is none.
	freed chan struct{}
	// since is when the last session ended, or the link was made.
	since time.Time
	// poke tells the dialing that something has changed.
	poke chan struct{}
	// cancel ends the dialing, nil if there is none.
	cancel context.CancelFunc

	// What earlier sessions leave behind.
	hint      hint
	theirs    merge.Vector
	lastSync  time.Time
	lastError error
	// turns are when one connection that the peer made took the place of
	// another on which it was still heard.
	turns []time.Time
}

func newLink(n *Node, key linkKey, r Remote) *link {
	return &link{node: n, key: key, remote: r, since: time.Now(), poke: make(chan struct{}, 1)}
}

// learnedAfter is how long a remote without addresses has to be away to be
// dialed where it says that it is.
const learnedAfter = 10 * time.Second

// addrs are where to dial now. The node's mutex is held.
func (l *link) addrs() []string {
	addrs := l.node.addrs(l.remote)
	if l.grace() > 0 {
		return addrs
	}
	for _, addr := range l.remote.Learned {
		if !slices.Contains(addrs, addr) {
			addrs = append(addrs[:len(addrs):len(addrs)], addr)
		}
	}
	return addrs
}

// grace is for how long learned addresses are not dialed yet. The node's mutex is
// held.
func (l *link) grace() time.Duration {
	if len(l.remote.Learned) == 0 || len(l.remote.Addrs) > 0 || l.node.dialing == nil {
		return 0
	}
	return max(0, learnedAfter-time.Since(l.since))
}

// change takes over a remote's new settings. The node's mutex is held.
func (l *link) change(r Remote) {
	old := l.remote
	l.remote = r
	other := old.Pull != r.Pull || old.Push != r.Push || !maps.Equal(old.Directions, r.Directions) || !sameDatasets(old.Datasets, r.Datasets)
	if other {
		l.interrupt(errRestarted)
	}
	if other || !slices.Equal(old.Addrs, r.Addrs) || !slices.Equal(old.Learned, r.Learned) {
		l.signal()
	}
}

// sameDatasets tells all of them, which is nil, from none.
func sameDatasets(a, b []string) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

// remove ends everything, and tells the peer why. The node's mutex is held.
func (l *link) remove(why error) {
	l.removed = true
	l.interrupt(why) // before the cancel, so that the peer hears why
	if l.cancel != nil {
		l.cancel()
	}
}

// interrupt ends the session, if there is one. The node's mutex is held.
func (l *link) interrupt(why error) {
	if l.live != nil {
		l.live.stop(why)
	}
	for c := range l.asides {
		c.stop(why)
	}
}

func (l *link) signal() {
	select {
	case l.poke <- struct{}{}:
	default:
	}
}

// conn returns a session over s that has not begun.
func (l *link) conn(s stream, dialed bool) (*conn, error) {
	store, ok := l.node.options.Stores.Store(l.key.dataset)
	if !ok {
		return nil, l.node.noDataset(l.key.dataset)
	}
	return newConn(config{
		self: l.node.options.Self, peer: l.key.peer, dataset: l.key.dataset,
		software: l.node.options.Software, limits: defaultLimits,
		exchange: l.node.options.Exchange, near: near(s), log: l.node.options.Log,
	}, store, s, dialed), nil
}

// serve runs a session as the link's only one. It returns errReplaced if there
// is one that stays, unless the peer has dialed beside it: then it may be another
// program of the same node that syncs once.
func (l *link) serve(ctx context.Context, c *conn, first *wire.Hello) error {
	err := l.claim(ctx, c)
	if err == errReplaced && !c.dialed {
		return l.serveAside(ctx, c, first)
	}
	if err != nil {
		turnAway(c.stream, err)
		c.finish(err)
		return err
	}
	err = c.run(ctx, first)
	l.release(c, err)
	return err
}

// claim makes c the link's session.
//
// Of two connections that the same side dialed the later one stays: who dials
// has lost the one before. Of two that the two sides dialed at the same time,
// both keep the one of the side with the lower id. But if that is the older
// one, it may be one whose peer has restarted, and then it stays only if the
// peer is heard on it.
func (l *link) claim(ctx context.Context, c *conn) error {
	for {
		rival, freed, err := l.take(c)
		if rival == nil || err != nil {
			return err
		}
		if l.prefers(c, rival) {
			if !c.dialed && !rival.dialed {
				l.turn(rival, time.Now())
			}
			rival.stop(errReplaced)
		} else if rival.probe(ctx) == nil {
			return errReplaced
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take makes c the session if there is none, and else returns the one that
// there is.
func (l *link) take(c *conn) (rival *conn, freed <-chan struct{}, err error) {
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	switch {
	case l.removed:
		return nil, nil, fmt.Errorf("%w: not a remote", ErrRefused)
	case l.live != nil:
		return l.live, l.freed, nil
	}
	l.live, l.freed = c, make(chan struct{})
	l.permit(c)
	c.config.hint = l.hint
	return nil, nil, nil
}

// permit gives a session what the remote may. The node's mutex is held.
func (l *link) permit(c *conn) {
	d := l.remote.Direction(l.key.dataset)
	c.config.pull, c.config.push, c.config.datasets = d.Pull, d.Push, l.remote.Datasets
	if r, ok := l.node.options.Stores.(Restricter); ok {
		c.store = r.Restrict(c.store, l.remote.gets)
	}
}

func (l *link) prefers(c, rival *conn) bool {
	if c.dialed == rival.dialed {
		return true
	}
	return c.dialed == (l.node.options.Self.Compare(l.key.peer) < 0)
}

// release makes room for the next session and keeps what it needs to know.
func (l *link) release(c *conn, err error) {
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	v := c.view()
	if v.theirs != nil {
		l.hint, l.theirs = v.hint, v.theirs
	}
	if v.inSync.After(l.lastSync) {
		l.lastSync = v.inSync
	}
	l.lastError = nil
	if !ordinary(err) {
		l.lastError = err
	}
	close(l.freed)
	l.live, l.freed, l.since = nil, nil, time.Now()
}

// failed notes why there was no session.
func (l *link) failed(err error) {
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	l.lastError = err
}

// ordinary reports whether a session's end is nobody's trouble.
func ordinary(err error) bool {
	return err == nil || errors.Is(err, errReplaced) || errors.Is(err, errRestarted) || errors.Is(err, context.Canceled)
}
