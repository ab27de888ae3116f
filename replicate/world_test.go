package replicate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sqlsync/merge"
)

// world is a network of nodes in one process, in a bubble of virtual time.
type world struct {
	t     *testing.T
	group sync.WaitGroup

	mu    sync.Mutex
	peers map[string]*peer // by address
	pipes []net.Conn       // the dialing ends, in the order of their making
	pace  time.Duration    // for every 32 KiB, none if 0
}

// peer is a node with its store, its name being its address.
type peer struct {
	*Node
	Self   merge.NodeID
	world  *world
	name   string
	store  *memStore
	sets   map[string]Store
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	accepted []error // what Accept returned
	deaf     bool    // does not accept
	refuses  bool
}

// inWorld runs a test with a world that ends with it.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, peers: make(map[string]*peer)}
		defer w.end()
		f(t, w)
	})
}

// end stops everything and looks at what the stores have seen.
func (w *world) end() {
	w.mu.Lock()
	peers := w.peers
	w.mu.Unlock()
	for _, p := range peers {
		p.stop()
		for _, a := range p.store.acausal {
			w.t.Error(a)
		}
	}
	w.group.Wait()
}

// join adds a node that does not run yet. A peer of the same name that was
// there before lends its store, as a program that is started again does.
func (w *world) join(id int, name string) *peer {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &peer{world: w, name: name, Self: nodeID(id), store: newMemStore(nodeID(id))}
	if old := w.peers[name]; old != nil {
		p.store = old.store
	}
	p.sets = map[string]Store{"primary": p.store}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.Node = NewNode(Options{Self: nodeID(id), Software: "test", Stores: p, Dialer: p, Jitter: func() float64 { return 0.5 }})
	w.peers[name] = p
	return p
}

func (p *peer) Store(dataset string) (Store, bool) {
	s, ok := p.sets[dataset]
	return s, ok
}

func (p *peer) Datasets() (names []string) {
	for name := range p.sets {
		names = append(names, name)
	}
	return names
}

// run runs the node until stop.
func (p *peer) run() {
	p.world.group.Go(func() {
		if err := p.Run(p.ctx); err != nil {
			p.world.t.Error(err)
		}
	})
}

func (p *peer) stop() { p.cancel() }

// knows makes remotes of others, with addresses if dial is set.
func (p *peer) knows(dial bool, others ...*peer) {
	var remotes []Remote
	for _, o := range others {
		r := Remote{Name: o.name, Peer: o.Self, Pull: true, Push: true}
		if dial {
			r.Addrs = []string{o.name}
		}
		remotes = append(remotes, r)
	}
	p.SetRemotes(remotes)
}

// Dial connects over a pipe, whose other end the peer accepts.
func (p *peer) Dial(_ context.Context, id merge.NodeID, addr, _ string) (net.Conn, error) {
	w := p.world
	w.mu.Lock()
	defer w.mu.Unlock()
	far := w.peers[addr]
	switch {
	case far == nil || far.ctx.Err() != nil || far.deaf:
		return nil, errors.New("no route to host")
	case far.refuses || far.Self != id:
		return nil, fmt.Errorf("handshake: %w", ErrRefused)
	}
	near, end := net.Pipe()
	w.pipes = append(w.pipes, near)
	w.group.Go(func() {
		err := far.Accept(far.ctx, end, p.Self)
		far.mu.Lock()
		far.accepted = append(far.accepted, err)
		far.mu.Unlock()
	})
	if w.pace > 0 {
		return slowConn{near, w.pace}, nil
	}
	return near, nil
}

// dials counts the connections made.
func (w *world) dials() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.pipes)
}

// until waits, in virtual time, for a condition.
func (w *world) until(limit time.Duration, what string, cond func() bool) time.Duration {
	w.t.Helper()
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		synctest.Wait()
		if cond() {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			w.t.Fatalf("not within %v: %s", limit, what)
		}
		<-tick.C
	}
}

// settles waits until the peers have the same.
func (w *world) settles(limit time.Duration, peers ...*peer) time.Duration {
	w.t.Helper()
	return w.until(limit, "equal vectors", func() bool {
		first, _ := peers[0].store.Vector(w.t.Context())
		for _, p := range peers[1:] {
			v, _ := p.store.Vector(w.t.Context())
			if !v.Covers(first) || !first.Covers(v) {
				return false
			}
		}
		return true
	})
}

func (p *peer) has(origin *peer) uint64 {
	v, _ := p.store.Vector(context.Background())
	return v[origin.Self].Seq
}

func (p *peer) state(i int) Status {
	s, err := p.Status(context.Background())
	if err != nil {
		p.world.t.Fatal(err)
	}
	return s[i]
}
