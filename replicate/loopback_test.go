package replicate

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"sqlsync/merge"
)

// plainDialer dials TCP without any authentication.
type plainDialer struct{}

func (plainDialer) Dial(ctx context.Context, _ merge.NodeID, addr, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

// oneStore is a database with one dataset.
type oneStore struct{ *memStore }

func (o oneStore) Store(dataset string) (Store, bool) { return o.memStore, dataset == "primary" }
func (o oneStore) Datasets() []string                 { return []string{"primary"} }

// Over real sockets and in real time, both ways at once.
func TestLoopback(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var stores [2]*memStore
	var nodes [2]*Node
	for i := range nodes {
		stores[i] = newMemStore(nodeID(i + 1))
		stores[i].size = 10_000
		stores[i].commit(1000)
		nodes[i] = NewNode(Options{Self: nodeID(i + 1), Stores: oneStore{stores[i]}, Dialer: plainDialer{}})
		r := Remote{Name: "other", Peer: nodeID(2 - i), Pull: true, Push: true}
		if i == 0 {
			r.Addrs = []string{listener.Addr().String()}
		}
		nodes[i].SetRemotes([]Remote{r})
	}
	var group sync.WaitGroup
	defer group.Wait()
	defer listener.Close()
	group.Go(func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { nodes[1].Accept(ctx, nc, nodeID(1)) })
		}
	})
	running, stop := context.WithCancel(ctx)
	defer stop()
	group.Go(func() { nodes[0].Run(running) })
	if err := nodes[0].Sync(ctx, "other"); err != nil {
		t.Fatal(err)
	}
	for i, s := range stores {
		if v, _ := s.Vector(ctx); v[nodeID(1)].Seq != 1000 || v[nodeID(2)].Seq != 1000 {
			t.Errorf("node %d has %v", i+1, v)
		}
	}
}
