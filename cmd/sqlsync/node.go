package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/replicate"
)

// member is one database as a member of its mesh: the store, its identity and
// the node that replicates it.
type member struct {
	store *cdc.Store
	id    *crypto.Identity
	node  *replicate.Node
	log   *slog.Logger
	// respondOnly says that no remote is dialed.
	respondOnly bool
}

// member opens a database and makes a node of it that knows its remotes.
func (a *app) member(ctx context.Context, path string, wait time.Duration) (*member, error) {
	store, id, err := a.openPath(ctx, path, wait)
	if err != nil {
		return nil, err
	}
	m := &member{store: store, id: id, log: a.logger().With("db", path)}
	m.node = replicate.NewNode(replicate.Options{
		Self: store.Node(), Software: "sqlsync " + version(), Stores: streams{store}, Dialer: dialer{id}, Log: m.log,
	})
	if err := m.readRemotes(ctx); err != nil {
		store.Close()
		return nil, err
	}
	return m, nil
}

// readRemotes tells the node the remotes as they are in the database.
func (m *member) readRemotes(ctx context.Context) error {
	list, err := m.store.Remotes(ctx)
	if err != nil {
		return err
	}
	remotes := make([]replicate.Remote, len(list))
	for i, r := range list {
		remotes[i] = replicate.Remote{Name: r.Name, Peer: r.Key, Addrs: r.Addrs, Datasets: r.Datasets, Pull: r.Pull, Push: r.Push}
		if m.respondOnly {
			remotes[i].Addrs = nil
		}
	}
	m.node.SetRemotes(remotes)
	return nil
}

// admit says whether a key may connect.
func (m *member) admit(peer crypto.PublicKey, _ []byte) error {
	if !m.node.Knows(merge.NodeID(peer)) {
		return fmt.Errorf("%w: %s is not a remote", replicate.ErrRefused, peer)
	}
	return nil
}

// streams are the datasets of a store, for package replicate.
type streams struct{ store *cdc.Store }

func (s streams) Store(dataset string) (replicate.Store, bool) {
	for _, d := range s.Datasets() {
		if d == dataset {
			return s.store.Stream(dataset), true
		}
	}
	return nil, false
}

func (s streams) Datasets() []string { return s.store.Datasets() }

// dialer makes encrypted connections.
type dialer struct{ id *crypto.Identity }

func (d dialer) Dial(ctx context.Context, peer merge.NodeID, addr, _ string) (net.Conn, error) {
	nd := net.Dialer{Timeout: 10 * time.Second}
	raw, err := nd.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c, err := crypto.Client(ctx, raw, d.id, crypto.PublicKey(peer), nil, crypto.Options{})
	if errors.Is(err, crypto.ErrRefused) {
		return nil, fmt.Errorf("%w: %w", replicate.ErrRefused, err)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}
