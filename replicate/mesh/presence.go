package mesh

import (
	"log/slog"
	"net"
	"sync"
	"time"

	"sqlsync/merge"
)

// strangerEvery is how often a key that is no remote's is told of.
const strangerEvery = 10 * time.Minute

// strangersKept bounds the keys that are remembered.
const strangersKept = 1000

// presence counts the connections with each peer, and logs when the first is
// made and the last has ended. A peer has one for each dataset. Nil tells
// nothing.
type presence struct {
	log    *slog.Logger
	nameOf func(merge.NodeID) string

	mu        sync.Mutex
	conns     map[merge.NodeID]int
	strangers map[merge.NodeID]time.Time
}

func newPresence(log *slog.Logger, nameOf func(merge.NodeID) string) *presence {
	return &presence{log: log, nameOf: nameOf, conns: make(map[merge.NodeID]int), strangers: make(map[merge.NodeID]time.Time)}
}

// enter notes a connection; leave is called once, when it has ended.
func (p *presence) enter(peer merge.NodeID, addr net.Addr) (leave func()) {
	if p == nil {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[peer]++; p.conns[peer] == 1 {
		p.log.Info("peer connected", "peer", p.nameOf(peer), "addr", addr.String())
	}
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.conns[peer]--; p.conns[peer] == 0 {
			delete(p.conns, peer)
			p.log.Info("peer left", "peer", p.nameOf(peer))
		}
	})
}

// stranger reports whether a key that is no remote's is worth a word again.
func (p *presence) stranger(peer merge.NodeID, now time.Time) bool {
	if p == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if last, ok := p.strangers[peer]; ok && now.Sub(last) < strangerEvery {
		return false
	}
	if len(p.strangers) >= strangersKept {
		clear(p.strangers)
	}
	p.strangers[peer] = now
	return true
}

// present is a connection that leaves when it is closed.
type present struct {
	net.Conn
	leave func()
}

func (c present) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
