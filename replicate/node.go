package replicate

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"sqlsync/merge"
)

// Remote is a peer that this node knows.
type Remote struct {
	// Name is how people call it, unique among remotes.
	Name string
	Peer merge.NodeID
	// Addrs are tried in turn. A remote without any is not dialed, but may
	// connect.
	Addrs []string
	// Learned are where it says itself that it is. They are tried after Addrs.
	// One without Addrs is to dial, and is dialed there only when it has been
	// away for a while.
	Learned []string
	// Datasets are those it may have, nil for all.
	Datasets []string
	// Pull says that we take from it, Push that it gets from us. Where the
	// two sides differ, the more restrictive holds.
	Pull, Push bool
	// Directions say so of single datasets.
	Directions map[string]Direction
}

// Direction is Pull and Push.
type Direction struct{ Pull, Push bool }

// Direction is what is exchanged of a dataset that the remote may have.
func (r Remote) Direction(dataset string) Direction {
	if d, ok := r.Directions[dataset]; ok {
		return d
	}
	return Direction{r.Pull, r.Push}
}

// gets reports whether a dataset is given to the remote.
func (r Remote) gets(dataset string) bool { return r.allows(dataset) && r.Direction(dataset).Push }

func (r Remote) allows(dataset string) bool {
	return r.Datasets == nil || slices.Contains(r.Datasets, dataset)
}

// Options say who a node is and what it works with. Stores and Dialer are
// required.
type Options struct {
	Self     merge.NodeID
	Software string // name and version, for peers' people
	Stores   Stores
	Dialer   Dialer
	// Exchange is where addresses of others go to and come from, nil for none.
	Exchange Exchange
	// Log is told what no caller is there to be told, nothing if nil.
	Log *slog.Logger
	// Jitter spreads retries: it returns numbers in [0,1). If nil they are
	// random.
	Jitter func() float64
}

// Node replicates the datasets of one database with its remotes. It is safe
// for concurrent use. A node that is not running dials nobody by itself;
// Accept, Sync and Schema work.
type Node struct {
	options Options

	mu      sync.Mutex
	remotes []Remote
	links   map[linkKey]*link
	// visits are of the peers that have connected, by peer.
	visits map[merge.NodeID]*visits
	// seen is where remotes were seen, the latest first.
	seen map[merge.NodeID][]sight
	// dialing is what Run started the dialing with, nil while it does not run.
	dialing *dialing
}

// linkKey names what there is one session of at a time.
type linkKey struct {
	peer    merge.NodeID
	dataset string
}

// dialing owns the goroutines that dial.
type dialing struct {
	ctx   context.Context
	group sync.WaitGroup
}

// NewNode returns a node that knows nobody.
func NewNode(o Options) *Node {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	return &Node{options: o, links: make(map[linkKey]*link), visits: make(map[merge.NodeID]*visits), seen: make(map[merge.NodeID][]sight)}
}

// Run dials the remotes, and dials them again whenever a connection ends,
// until ctx does; it then ends every session, those of Accept too, and returns
// nil. It must not run twice at a time.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := &dialing{ctx: ctx}
	n.mu.Lock()
	n.dialing = d
	for _, l := range n.links {
		l.startDialing(d)
	}
	n.mu.Unlock()
	<-ctx.Done()
	n.mu.Lock()
	n.dialing = nil
	for _, l := range n.links {
		l.interrupt(nil)
	}
	n.mu.Unlock()
	d.group.Wait()
	return nil
}

// SetRemotes replaces the list of remotes, and looks again at which datasets
// there are. Sessions with a remote that is gone, or that may have
// something else than before, end at once; what is new is dialed at once. Other sessions go
// on.
func (n *Node) SetRemotes(remotes []Remote) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.remotes = slices.Clone(remotes)
	n.reconcile()
	for peer, v := range n.visits {
		if v.here == 0 && !slices.ContainsFunc(remotes, func(r Remote) bool { return r.Peer == peer }) {
			delete(n.visits, peer)
		}
	}
	for peer := range n.seen {
		if !slices.ContainsFunc(remotes, func(r Remote) bool { return r.Peer == peer }) {
			delete(n.seen, peer)
		}
	}
}

// Seen says that a peer may be reached at an address for some time to come. If
// it is a remote, and not connected, it is dialed there at once, and again among
// its other addresses.
func (n *Node) Seen(peer merge.NodeID, addr string, within time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	sights := slices.DeleteFunc(n.seen[peer], func(s sight) bool { return s.addr == addr || !now.Before(s.until) })
	sights = append([]sight{{addr, now.Add(within)}}, sights...)
	if !slices.ContainsFunc(n.remotes, func(r Remote) bool { return r.Peer == peer }) {
		return
	}
	n.seen[peer] = sights[:min(len(sights), maxSights)]
	for key, l := range n.links {
		if key.peer == peer && l.live == nil {
			l.signal()
		}
	}
}

// sight is where a peer was seen, and for how long that is worth a try.
type sight struct {
	addr  string
	until time.Time
}

// maxSights is how many addresses of a peer are remembered, the latest.
const maxSights = 4

// addrs are where to dial a remote now. n.mu is held.
func (n *Node) addrs(r Remote) []string {
	addrs := r.Addrs
	now := time.Now()
	for _, s := range n.seen[r.Peer] {
		if now.Before(s.until) && !slices.Contains(addrs, s.addr) {
			addrs = append(addrs[:len(addrs):len(addrs)], s.addr)
		}
	}
	return addrs
}

// reconcile makes links what remotes and datasets say. n.mu is held.
func (n *Node) reconcile() {
	wanted := make(map[linkKey]Remote)
	for _, r := range n.remotes {
		for _, dataset := range n.options.Stores.Datasets() {
			if r.allows(dataset) {
				wanted[linkKey{r.Peer, dataset}] = r
			}
		}
	}
	for key, l := range n.links {
		if _, ok := wanted[key]; !ok {
			delete(n.links, key)
			l.remove(n.why(key))
		}
	}
	for key, r := range wanted {
		if l := n.links[key]; l != nil {
			l.change(r)
			continue
		}
		l := newLink(n, key, r)
		n.links[key] = l
		if n.dialing != nil {
			l.startDialing(n.dialing)
		}
	}
}

// why says why there is no link any more. n.mu is held.
func (n *Node) why(key linkKey) error {
	i := slices.IndexFunc(n.remotes, func(r Remote) bool { return r.Peer == key.peer })
	switch {
	case i < 0:
		return ErrRefused
	case !n.remotes[i].allows(key.dataset):
		return fmt.Errorf("%w: dataset %q", ErrRefused, key.dataset)
	}
	return n.noDataset(key.dataset)
}

// remote returns a remote by name.
func (n *Node) remote(name string) (Remote, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.remotes, func(r Remote) bool { return r.Name == name })
	if i < 0 {
		return Remote{}, false
	}
	return n.remotes[i], true
}

// linksOf returns a remote's links, by dataset.
func (n *Node) linksOf(peer merge.NodeID) []*link {
	n.mu.Lock()
	defer n.mu.Unlock()
	var links []*link
	for key, l := range n.links {
		if key.peer == peer {
			links = append(links, l)
		}
	}
	slices.SortFunc(links, func(a, b *link) int { return cmp.Compare(a.key.dataset, b.key.dataset) })
	return links
}

// Keys lists the keys of the remotes.
func (n *Node) Keys() []merge.NodeID {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := make([]merge.NodeID, len(n.remotes))
	for i, r := range n.remotes {
		list[i] = r.Peer
	}
	return list
}

// Knows reports whether a peer is a remote, so that its connection is to be
// let in.
func (n *Node) Knows(peer merge.NodeID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.remotes, func(r Remote) bool { return r.Peer == peer })
}
