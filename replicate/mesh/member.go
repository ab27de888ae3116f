package mesh

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/replicate"
	"sqlsync/wire"
)

// Options say how a database is opened. The zero value is the default.
type Options struct {
	// Unlock loads a key file, with its passphrase if it has one;
	// crypto.LoadIdentity if nil. It returns an error that wraps fs.ErrNotExist
	// where there is none, and one is made then.
	Unlock func(keyFile string) (*crypto.Identity, error)
	// Software is the program's name and version, which peers are told.
	Software string
	// LockWait is how long a transaction waits for other programs' locks
	// before it fails with cdc.ErrLocked; 0 waits until its context ends.
	LockWait time.Duration
	// Exclusive makes Open fail with ErrServed where somebody serves the file,
	// and keeps others from serving it until Close.
	Exclusive bool
	// NoExchange neither tells peers of addresses nor takes what they tell.
	NoExchange bool
	// Log is told what no caller is there to be told, nothing if nil.
	Log *slog.Logger
	// Observe is as cdc.Options has it.
	Observe func(cdc.Work)
}

// Member is one database as a member of its mesh. It is safe for concurrent
// use.
type Member struct {
	// Store is the database: watch tables, add remotes, read the log and the
	// conflicts.
	Store *cdc.Store
	// Node exchanges with remotes; Status says how it stands with them.
	Node *replicate.Node
	// Identity is the database's key.
	Identity *crypto.Identity

	log  *slog.Logger
	lock lock // nil unless it is exclusive
	// peers tells who is there, once it is served.
	peers *presence
	// respondOnly says that no remote is dialed.
	respondOnly bool
	// exchange is nil where addresses are not exchanged.
	exchange *exchange

	remotes   sync.Mutex // held while the node is told the remotes
	disabled  atomic.Pointer[map[merge.NodeID]error]
	strangers strangers
}

// Open opens a database as a member that knows its remotes. A database that is
// no node yet is made one, with a key file beside it. The application's tables
// stay as they are until they are watched. The caller closes the member.
func Open(ctx context.Context, path string, o Options) (*Member, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	// Looked at before the file is opened: SQLite gives a hard link a journal of
	// its own name, and two names at once can destroy the file.
	if o.Exclusive && servedStill(path) {
		return nil, ErrServed
	}
	store, id, err := OpenStore(ctx, path, o)
	if err != nil {
		return nil, err
	}
	m := &Member{Store: store, Identity: id, log: o.Log.With("db", path)}
	node := replicate.Options{
		Self: store.Node(), Software: o.Software, Stores: streams{store}, Dialer: dialer{m}, Log: m.log,
	}
	if !o.NoExchange {
		m.exchange = newExchange(m)
		node.Exchange = m.exchange
	}
	m.Node = replicate.NewNode(node)
	if o.Exclusive {
		err = m.exclude()
	}
	if err == nil {
		_, err = m.Reload(ctx)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// OpenStore is Open for what needs no remotes.
func OpenStore(ctx context.Context, path string, o Options) (*cdc.Store, *crypto.Identity, error) {
	if err := cdc.Probe(ctx, path); err != nil {
		return nil, nil, err
	}
	id, err := identity(ctx, path, o.Unlock)
	if err != nil {
		return nil, nil, err
	}
	store, err := cdc.Open(ctx, cdc.Options{
		Path: path, Node: merge.NodeID(id.PublicKey()), LockWait: o.LockWait, Log: o.Log, Observe: o.Observe,
		Sign:   func(h wire.Hash) []byte { return id.Sign(h[:]) },
		Former: formerKeys(id), Witness: WitnessPath(path), DatasetKeys: datasetKeys(path),
		Author: func(salt []byte) cdc.Author {
			other := id.Author(salt)
			return cdc.Author{Node: merge.NodeID(other.PublicKey()), Sign: func(h wire.Hash) []byte { return other.Sign(h[:]) }}
		},
		Verify: func(origin merge.NodeID, h wire.Hash, sig []byte) bool {
			return crypto.PublicKey(origin).Verify(h[:], sig)
		},
	})
	return store, id, err
}

// datasetKeys looks keys up in the file: another process may have added some.
func datasetKeys(db string) func(string) ([]wire.DatasetKey, error) {
	return func(dataset string) (list []wire.DatasetKey, err error) {
		keys, err := crypto.LoadDatasetKeys(DatasetKeysPath(db))
		for _, key := range keys[dataset] {
			list = append(list, wire.DatasetKey(key))
		}
		return list, err
	}
}

func formerKeys(id *crypto.Identity) (list []merge.NodeID) {
	for _, key := range id.Former() {
		list = append(list, merge.NodeID(key))
	}
	return list
}

// Close closes the database. Serve and Sync have to have returned.
func (m *Member) Close() error {
	err := m.Store.Close()
	m.lock.release()
	return err
}

// exclude keeps others from serving the database.
func (m *Member) exclude() (err error) {
	if m.lock == nil {
		if m.lock, err = takeLock(m.Store.Path()); err != nil {
			err = fmt.Errorf("lock %s: %w", m.Store.Path(), err)
		}
	}
	return err
}

// AddRemote adds a peer by the text form of its key, with the addresses at
// which it is reached, none if it dials. Both sides may have everything of each
// other; Store.AddRemote says it finer.
func (m *Member) AddRemote(ctx context.Context, name, key string, addrs ...string) error {
	k, err := crypto.ParsePublicKey(key)
	if err != nil {
		return err
	}
	if err := m.Store.AddRemote(ctx, cdc.Remote{Name: name, Key: merge.NodeID(k), Addrs: addrs, Pull: true, Push: true}); err != nil {
		return err
	}
	_, err = m.Reload(ctx)
	return err
}

// Reload tells the node the remotes as they are in the database, without
// those that have expired or are disabled: what the node does not know it refuses, and it ends
// the sessions there are. next is when another expires, zero for never. Serve
// does so whenever the database says otherwise.
func (m *Member) Reload(ctx context.Context) (next time.Time, err error) {
	m.remotes.Lock()
	defer m.remotes.Unlock()
	list, err := m.Store.Remotes(ctx)
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
		if m.exchange != nil && r.Learned.Current(now) {
			peer.Learned = r.Learned.Addrs
		}
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
			remotes[i].Addrs, remotes[i].Learned = nil, nil
		}
	}
	m.disabled.Store(&off)
	m.Node.SetRemotes(remotes)
	return next, nil
}

// nameOf is how people here call a node.
func (m *Member) nameOf(n merge.NodeID) string {
	list, err := m.Store.Remotes(context.Background())
	if err == nil {
		for _, r := range list {
			if r.Key == n {
				return r.Name
			}
		}
	}
	return crypto.PublicKey(n).Short()
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

// Restrict implements replicate.Restricter.
func (streams) Restrict(s replicate.Store, may func(dataset string) bool) replicate.Store {
	return s.(*cdc.Stream).For(may)
}

// Disabled implements replicate.Disabler.
func (s streams) Disabled(dataset string) bool { return s.store.Disabled(dataset) }

func (s streams) Datasets() []string { return s.store.Datasets() }
