package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"sqlsync/merge"
)

// Accept serves a connection that peer has made, and returns when it has
// ended, with nil if that is nobody's trouble. The caller has authenticated
// the peer; the connection is Accept's from then on. A peer that is no remote
// is turned away with ErrRefused.
func (n *Node) Accept(ctx context.Context, nc net.Conn, peer merge.NodeID) error {
	s := newStream(nc)
	defer s.Close()
	leave, err := n.enter(peer)
	if err != nil {
		turnAway(s, err)
		return fmt.Errorf("accept %s: %w", n.nameOf(peer), err)
	}
	defer leave()
	hello, err := greet(ctx, s, defaultLimits.helloWithin)
	if errors.Is(err, io.EOF) {
		return nil // it came to be let in, and wants no more for now
	}
	if err != nil {
		n.judge(peer, "", time.Now(), err)
		return fmt.Errorf("accept %s: %w", n.nameOf(peer), err)
	}
	dataset := datasetName(hello.Dataset)
	l, err := n.inbound(peer, dataset)
	if err == nil {
		err = n.suspended(peer, dataset, time.Now())
	}
	if err != nil {
		turnAway(s, err)
		return fmt.Errorf("accept %s: %w", n.nameOf(peer), err)
	}
	c, err := l.conn(s, false)
	if err != nil {
		turnAway(s, err)
		return fmt.Errorf("accept %s: %w", n.nameOf(peer), err)
	}
	serve := l.serve
	if !hello.Pull && !hello.Push {
		serve = l.serveAside
	}
	err = serve(ctx, c, hello)
	n.judge(peer, dataset, time.Now(), err)
	if !ordinary(err) && !errors.Is(err, errLost) {
		return fmt.Errorf("session of %s: %w", n.nameOf(peer), err)
	}
	return nil
}

// inbound finds the link that a peer may have about a dataset. A dataset may
// be newer than what reconcile has seen.
func (n *Node) inbound(peer merge.NodeID, dataset string) (*link, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.remotes, func(r Remote) bool { return r.Peer == peer })
	switch {
	case i < 0:
		return nil, fmt.Errorf("%w: not a remote", ErrRefused)
	case !n.remotes[i].allows(dataset):
		return nil, fmt.Errorf("%w: dataset %q", ErrRefused, brief(dataset))
	}
	n.reconcile()
	if l := n.links[linkKey{peer, dataset}]; l != nil {
		return l, nil
	}
	return nil, n.noDataset(dataset)
}

// noDataset says why a dataset is not exchanged.
func (n *Node) noDataset(dataset string) error {
	if d, ok := n.options.Stores.(Disabler); ok && d.Disabled(dataset) {
		return fmt.Errorf("%w: %q", ErrDisabled, dataset)
	}
	return fmt.Errorf("%w: %q", ErrNoDataset, brief(dataset))
}

// nameOf is what people call a peer.
func (n *Node) nameOf(peer merge.NodeID) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.remotes {
		if r.Peer == peer {
			return r.Name
		}
	}
	return peer.String()
}
