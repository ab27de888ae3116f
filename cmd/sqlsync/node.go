package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
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
	// dialer and the port tell who is there, once serve asks for it.
	dialer *dialer
	// respondOnly says that no remote is dialed.
	respondOnly bool

	remotes   sync.Mutex // held while the node is told the remotes
	disabled  atomic.Pointer[map[merge.NodeID]error]
	strangers strangers
}

// member opens a database and makes a node of it that knows its remotes.
func (a *app) member(ctx context.Context, path string, wait time.Duration) (*member, error) {
	store, id, err := a.openPath(ctx, path, wait)
	if err != nil {
		return nil, err
	}
	m := &member{store: store, id: id, log: a.logger().With("db", path)}
	m.dialer = &dialer{member: m}
	m.node = replicate.NewNode(replicate.Options{
		Self: store.Node(), Software: "sqlsync " + version(), Stores: streams{store}, Dialer: m.dialer, Log: m.log,
	})
	if _, err := m.readRemotes(ctx); err != nil {
		store.Close()
		return nil, err
	}
	return m, nil
}

// readRemotes tells the node the remotes as they are in the database, without
// those that have expired or are disabled: what the node does not know it refuses, and it ends
// the sessions there are. next is when another expires, zero for never.
func (m *member) readRemotes(ctx context.Context) (next time.Time, err error) {
	m.remotes.Lock()
	defer m.remotes.Unlock()
	list, err := m.store.Remotes(ctx)
	if err != nil {
		return next, err
	}
	now := time.Now()
	var remotes []replicate.Remote
	off := make(map[merge.NodeID]error)
	for _, r := range list {
		if r.Shut(now) != "" {
			if r.Disabled {
				off[r.Key] = fmt.Errorf("%w: remote %s is disabled", replicate.ErrRefused, r.Name)
			}
			continue
		}
		if !r.Expires.IsZero() && (next.IsZero() || r.Expires.Before(next)) {
			next = r.Expires
		}
		peer := replicate.Remote{Name: r.Name, Peer: r.Key, Addrs: r.Addrs, Datasets: r.Datasets, Pull: r.Pull, Push: r.Push}
		for dataset, d := range r.Directions {
			if peer.Directions == nil {
				peer.Directions = make(map[string]replicate.Direction)
			}
			peer.Directions[dataset] = replicate.Direction(d)
		}
		remotes = append(remotes, peer)
	}
	if m.respondOnly {
		for i := range remotes {
			remotes[i].Addrs = nil
		}
	}
	m.disabled.Store(&off)
	m.node.SetRemotes(remotes)
	return next, nil
}

// stranger is a node that has proved its key, which is no remote's.
type stranger struct{ key crypto.PublicKey }

func (e *stranger) Error() string {
	return fmt.Sprintf("%s is not a remote: sqlsync remote add NAME %s lets it in", e.key, e.key)
}

func (e *stranger) Is(target error) bool { return target == replicate.ErrRefused }

// refused logs a connection that was not let in. Whatever knocks without
// proving a key is not worth a line each.
func (m *member) refused(from net.Addr, err error) {
	level := slog.LevelDebug
	var s *stranger
	if errors.As(err, &s) && m.dialer.peers.stranger(merge.NodeID(s.key), time.Now()) {
		level = slog.LevelInfo
	}
	m.log.Log(context.Background(), level, "refused a connection", "from", from.String(), "err", err)
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
type dialer struct {
	*member
	peers *presence
}

func (d *dialer) Dial(ctx context.Context, peer merge.NodeID, addr, _ string) (net.Conn, error) {
	nd := net.Dialer{Timeout: 10 * time.Second}
	raw, err := nd.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, withoutAddr(err)
	}
	c, err := crypto.Client(ctx, raw, d.id, crypto.PublicKey(peer), d.id.Introduction(), crypto.Options{})
	var moved *crypto.MovedError
	if errors.As(err, &moved) {
		return nil, d.moved(ctx, moved)
	}
	if errors.Is(err, crypto.ErrRefused) {
		return nil, &unknownHere{d.id.PublicKey()}
	}
	if err != nil {
		return nil, err
	}
	return present{c, d.peers.enter(peer, c.RemoteAddr())}, nil
}

// withoutAddr is a network error without the address, which the caller names.
func withoutAddr(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Err
	}
	return err
}

// unknownHere says that a peer hung up on this node's key. It does not say
// why, so it may as well be another node.
type unknownHere struct{ self crypto.PublicKey }

func (e *unknownHere) Error() string {
	return fmt.Sprintf("the peer does not know this key: sqlsync remote add NAME %s there (or the address is another node's)", e.self)
}

func (e *unknownHere) Is(target error) bool {
	return target == replicate.ErrRefused || target == crypto.ErrRefused
}
