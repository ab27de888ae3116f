package replicate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sqlsync/merge"
)

// State is what a node has with a remote.
type State string

const (
	Connected State = "connected" // a session is open
	Retrying  State = "retrying"  // it is dialed again and again
	Refused   State = "refused"   // it does not take us; it is dialed all the same
	Idle      State = "idle"      // it is not dialed
)

// Status is a remote as a node sees it.
type Status struct {
	Remote Remote
	State  State
	// Lag and Confirmed are by dataset, of those that the remote has been
	// heard of since the node was made. Confirmed is what the remote has
	// applied durably.
	Lag       map[string]Lag
	Confirmed map[string]merge.Vector
	// LastSync is when both sides last had everything in all datasets, zero
	// if that was never so.
	LastSync time.Time
	// Error is what is wrong in one of the datasets, empty if nothing is.
	Error string
	// Datasets is how each stands that the remote may have.
	Datasets map[string]DatasetStatus
}

// DatasetStatus is State and Error of one dataset. Denied says that the peer is
// there, and does not exchange this dataset.
type DatasetStatus struct {
	State  State
	Error  string
	Denied bool
}

// Lag counts batches.
type Lag struct {
	Theirs uint64 // they lack
	Ours   uint64 // we lack
}

// Status returns the state of every remote, in the order of SetRemotes.
func (n *Node) Status(ctx context.Context) ([]Status, error) {
	n.mu.Lock()
	remotes := n.remotes
	n.mu.Unlock()
	var out []Status
	for _, r := range remotes {
		s := Status{Remote: r, State: Idle, Lag: make(map[string]Lag), Confirmed: make(map[string]merge.Vector), Datasets: make(map[string]DatasetStatus)}
		for i, l := range n.linksOf(r.Peer) {
			if err := l.report(ctx, &s, i == 0); err != nil {
				return nil, fmt.Errorf("status of %s: %w", r.Name, err)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// denied reports whether a peer has said that it does not exchange a dataset, or
// cannot.
func denied(err error) bool {
	var bye *ByeError
	return errors.Is(err, ErrOtherKey) || errors.As(err, &bye) && (errors.Is(bye, ErrRefused) || errors.Is(bye, ErrNoDataset) || errors.Is(bye, ErrDisabled))
}

// Peers counts the remotes, and those that a session is open with.
func (n *Node) Peers() (connected, all int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.remotes {
		for key, l := range n.links {
			if key.peer == r.Peer && l.state() == Connected {
				connected++
				break
			}
		}
	}
	return connected, len(n.remotes)
}

// report adds one dataset to a remote's status.
func (l *link) report(ctx context.Context, s *Status, first bool) error {
	l.node.mu.Lock()
	theirs, at, trouble, state := l.theirs, l.lastSync, l.lastError, l.state()
	if l.live != nil {
		v := l.live.view()
		if v.open {
			theirs, at, trouble = v.theirs, later(at, v.inSync), v.behind
		}
	}
	if trouble == nil && l.twins(time.Now()) {
		trouble = ErrTwins
	}
	l.node.mu.Unlock()
	if rank[state] > rank[s.State] {
		s.State = state
	}
	ds := DatasetStatus{State: state}
	if trouble != nil {
		ds.Error, ds.Denied = trouble.Error(), denied(trouble)
	}
	s.Datasets[l.key.dataset] = ds
	if s.Error == "" {
		s.Error = ds.Error
	}
	if first || at.Before(s.LastSync) {
		s.LastSync = at
	}
	store, ok := l.node.options.Stores.Store(l.key.dataset)
	if theirs == nil || !ok {
		return nil
	}
	ours, err := store.Vector(ctx)
	if err != nil {
		return err
	}
	s.Confirmed[l.key.dataset] = theirs.Clone()
	s.Lag[l.key.dataset] = Lag{Theirs: theirs.Missing(ours), Ours: ours.Missing(theirs)}
	return nil
}

// rank says which dataset's state speaks for its remote.
var rank = map[State]int{Idle: 0, Retrying: 1, Refused: 2, Connected: 3}

// state is the link's state. The node's mutex is held.
func (l *link) state() State {
	switch {
	case l.live != nil && l.live.view().open:
		return Connected
	case errors.Is(l.lastError, ErrRefused):
		return Refused
	case l.node.dialing != nil && len(l.addrs()) > 0:
		return Retrying
	}
	return Idle
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
