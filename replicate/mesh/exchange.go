package mesh

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/wire"
)

const (
	// stateEvery is how old a statement of the own addresses may become.
	stateEvery = 6 * time.Hour
	// learnedBurst statements of one remote are kept one after the other, then
	// one every learnedEvery: each costs a write here and a message to every peer.
	learnedBurst = 4
	learnedEvery = time.Minute
)

// exchange tells peers where the remotes are that they have in common with this
// node, and hears it of them. It implements replicate.Exchange.
type exchange struct {
	*Member
	now func() time.Time

	mu sync.Mutex
	// reach says where this node is reached, nil where it is not served.
	reach func() []string
	// own is the statement of that, made at.
	own     []byte
	addrs   []string
	made    time.Time
	known   *wire.Known
	knownOf []merge.NodeID
	spent   map[merge.NodeID]allowance
}

// allowance is how many statements of a remote were kept lately.
type allowance struct {
	spent int
	at    time.Time
}

func newExchange(m *Member) *exchange {
	return &exchange{Member: m, now: time.Now, spent: make(map[merge.NodeID]allowance)}
}

// serve begins to tell where this node is reached, be it nowhere.
func (x *exchange) serve(o ServeOptions) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch x.reach = o.Reach; {
	case o.Port == nil:
		x.reach = func() []string { return nil }
	case o.Reach == nil:
		x.reach = func() []string { return []string{o.Port.Addr().String()} }
	}
}

// Changed implements replicate.Exchange: what is learned is kept among the
// remotes.
func (x *exchange) Changed() (<-chan struct{}, func()) { return x.Store.Reconfigured() }

// common lists the remotes that are exchanged with. The list is not to be changed.
func (x *exchange) common(ctx context.Context) ([]cdc.Remote, error) {
	list, err := x.Store.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	shut := func(r cdc.Remote) bool { return r.Shut(x.now()) != "" }
	if slices.ContainsFunc(list, shut) {
		list = slices.DeleteFunc(slices.Clone(list), shut)
	}
	return list, nil
}

// Known implements replicate.Exchange.
func (x *exchange) Known(ctx context.Context) (*wire.Known, error) {
	list, err := x.common(ctx)
	if err != nil {
		return nil, err
	}
	var keys []merge.NodeID
	for _, r := range list[:min(len(list), wire.MaxKnown)] {
		keys = append(keys, r.Key)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.known != nil && slices.Equal(keys, x.knownOf) {
		return x.known, nil
	}
	known := &wire.Known{}
	rand.Read(known.Salt[:]) // never fails
	for _, k := range keys {
		known.Tags = append(known.Tags, crypto.PublicKey(k).Blind(known.Salt[:]))
	}
	slices.SortFunc(known.Tags, compareTags)
	x.known, x.knownOf = known, keys
	return known, nil
}

func compareTags(a, b [crypto.BlindLen]byte) int { return bytes.Compare(a[:], b[:]) }

// Answer implements replicate.Exchange: this node itself, and the remotes for
// which the peer has the key.
func (x *exchange) Answer(ctx context.Context, peer merge.NodeID, asked *wire.Known) (*wire.Addresses, error) {
	list, err := x.common(ctx)
	if err != nil {
		return nil, err
	}
	out := &wire.Addresses{}
	if own := x.statement(); own != nil {
		out.List = append(out.List, wire.Address{Node: x.Store.Node(), Statement: own})
	}
	var both []*cdc.Remote
	for i := range list {
		r := &list[i]
		if r.Key == peer || !r.Learned.Current(x.now()) {
			continue
		}
		if _, ok := slices.BinarySearchFunc(asked.Tags, crypto.PublicKey(r.Key).Blind(asked.Salt[:]), compareTags); ok {
			both = append(both, r)
		}
	}
	slices.SortStableFunc(both, func(a, b *cdc.Remote) int { return saidOf(*b).Compare(saidOf(*a)) })
	for _, r := range both[:min(len(both), wire.MaxAddresses-len(out.List))] {
		out.List = append(out.List, wire.Address{Node: r.Key, Statement: r.Learned.Statement})
	}
	slices.SortFunc(out.List, func(a, b wire.Address) int { return a.Node.Compare(b.Node) })
	return out, nil
}

func saidOf(r cdc.Remote) time.Time {
	if r.Learned == nil {
		return time.Time{}
	}
	return r.Learned.Said
}

// statement says where this node is reached now, nil where it is not served.
func (x *exchange) statement() []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.reach == nil {
		return nil
	}
	addrs, now := x.reach(), x.now()
	addrs = addrs[:min(len(addrs), crypto.MaxAddresses)]
	if x.own != nil && slices.Equal(addrs, x.addrs) && now.Sub(x.made).Abs() < stateEvery {
		return x.own
	}
	own, err := x.Identity.State(crypto.Addresses{Time: now, List: addrs})
	if err != nil {
		x.log.Warn("cannot tell peers the addresses of this node", "err", err)
		return nil
	}
	x.own, x.addrs, x.made = own, addrs, now
	return own
}

// Learn implements replicate.Exchange. Of nodes that are no remotes, of
// statements that their node has not signed, and of such as are not later than
// what is known, nothing is kept.
func (x *exchange) Learn(ctx context.Context, peer merge.NodeID, near bool, told *wire.Addresses) error {
	list, err := x.common(ctx)
	if err != nil {
		return err
	}
	for _, a := range told.List {
		i := slices.IndexFunc(list, func(r cdc.Remote) bool { return r.Key == a.Node })
		if i < 0 {
			continue
		}
		said, ok := crypto.PublicKey(a.Node).Stated(a.Statement)
		if !ok {
			x.log.Warn("a peer tells addresses that their node has not signed", "peer", x.nameOf(peer), "of", list[i].Name)
			continue
		}
		now := x.now()
		l := cdc.Learned{Statement: a.Statement, Said: said.Time, From: peer, Addrs: usable(said.List, near)}
		if said.Time.Sub(now) > announcedWithin || !l.Current(now) || !said.Time.After(saidOf(list[i])) || !x.allow(a.Node, now) {
			continue
		}
		news, err := x.Store.NoteLearned(ctx, a.Node, l)
		if err != nil {
			return err
		}
		if news && slices.ContainsFunc(l.Addrs, func(addr string) bool { return !slices.Contains(list[i].Addrs, addr) }) {
			x.log.Log(ctx, x.level(), "learned where a remote is", "remote", list[i].Name, "from", x.nameOf(peer), "addrs", l.Addrs)
		}
	}
	return nil
}

// level is how loud what is learned is told: who serves wants to know.
func (x *exchange) level() slog.Level {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.reach == nil {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// allow bounds what is kept of one remote.
func (x *exchange) allow(node merge.NodeID, now time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	a := x.spent[node]
	if back := int(now.Sub(a.at) / learnedEvery); back > 0 || a.at.IsZero() {
		a = allowance{max(0, a.spent-back), now}
	}
	if a.spent >= learnedBurst {
		return false
	}
	a.spent++
	x.spent[node] = a
	return true
}

// usable leaves out what cannot be dialed from here: this machine's own
// addresses are another's elsewhere. near says that whoever told is on this
// machine, and so did whoever told that.
func usable(addrs []string, near bool) []string {
	return slices.DeleteFunc(slices.Clone(addrs), func(addr string) bool {
		host, _, err := net.SplitHostPort(addr)
		if err != nil || host == "localhost" && !near {
			return true
		}
		ip, err := netip.ParseAddr(host)
		return err == nil && (ip.IsUnspecified() || ip.IsMulticast() || ip.Unmap().IsLoopback() && !near)
	})
}
