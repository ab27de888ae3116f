package replicate

import (
	"errors"
	"fmt"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

// What a peer may have of connections that it made: some for every dataset, for
// one takes over from another and some only ask.
const (
	visitsEach = 2 + maxAsides
	visitsMore = 16
)

// visits are the connections that a peer has made.
type visits struct {
	here int
	// suspensions are by dataset, that of all of them being "".
	suspensions map[string]*suspension
}

// suspension keeps a peer that sent what no honest peer sends from doing so
// again and again: for a time that doubles it is told the same once more, and
// nothing else is done for it.
type suspension struct {
	backoff
	until time.Time
	err   error
}

// enter notes a connection of a peer's; leave is called once, when it has ended.
func (n *Node) enter(peer merge.NodeID) (leave func(), err error) {
	if err := n.suspended(peer, "", time.Now()); err != nil {
		return nil, err
	}
	most := visitsMore + visitsEach*len(n.options.Stores.Datasets())
	n.mu.Lock()
	defer n.mu.Unlock()
	v := n.visits[peer]
	if v == nil {
		v = &visits{suspensions: make(map[string]*suspension)}
		n.visits[peer] = v
	}
	if v.here >= most {
		return nil, fmt.Errorf("%w: more than %d connections", ErrRefused, most)
	}
	v.here++
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if v.here--; v.here == 0 && len(v.suspensions) == 0 {
			delete(n.visits, peer)
		}
	}, nil
}

// suspended returns why a peer is to come again later, nil if it is not.
func (n *Node) suspended(peer merge.NodeID, dataset string, now time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if v := n.visits[peer]; v != nil {
		if s := v.suspensions[dataset]; s != nil && now.Before(s.until) {
			return s.err
		}
	}
	return nil
}

// judge takes note of how a connection of a peer that is here has ended.
func (n *Node) judge(peer merge.NodeID, dataset string, now time.Time, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	v := n.visits[peer]
	if v == nil {
		return
	}
	if err == nil {
		delete(v.suspensions, dataset)
	}
	if theirs := (*ByeError)(nil); !errors.Is(err, wire.ErrInvalid) || errors.As(err, &theirs) {
		return
	}
	s := v.suspensions[dataset]
	if s == nil {
		s = &suspension{}
		v.suspensions[dataset] = s
	}
	s.reached = now // the pauses stay short: it may have been mended
	s.until, s.err = now.Add(s.pause(now, 0)), err
}
