package web

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/replicate"
)

// Database is one database that is served. Resolve may be nil, all else is
// required.
type Database struct {
	Path  string
	Store *cdc.Store
	// Peers is what the node knows of its remotes.
	Peers func(context.Context) ([]replicate.Status, error)
	Show  Show
	// Resolve puts conflicts right; without it the page only shows them.
	Resolve Resolver

	mu   sync.Mutex
	last *snapshot
	past history

	tailMu sync.Mutex
	tail   tail

	configs atomic.Int64 // counts changes of the configuration
}

// Show makes what the verbs print with --json.
type Show struct {
	Key                       func(merge.NodeID) string
	Change                    func(*cdc.Entry) any
	Status, Tables, Conflicts func(context.Context) (any, error)
	// Unreplicated lists what is not exchanged with remotes that are, and what
	// to do about each; nil is nothing.
	Unreplicated func(context.Context) ([]Unreplicated, error)
}

// Unreplicated is a dataset, or a table of one, that is not exchanged with a
// peer. Text says so to people.
type Unreplicated struct{ Dataset, Table, Peer, Text string }

// Resolver puts back what lost a conflict, or forgets the conflict.
type Resolver interface {
	RestoreConflict(ctx context.Context, id string) error
	DismissConflict(ctx context.Context, id string) error
}

// snapshot is how a database stands at one moment.
type snapshot struct {
	at        time.Time
	took      time.Duration
	measure   *cdc.Measure
	peers     []replicate.Status
	differing map[string]int64
	// unreplicated is as Show has it.
	unreplicated []Unreplicated
	err          error
}

const (
	// measureShare is how many times as long as a measurement took the next
	// one is put off at least, up to measureRest.
	measureShare = 20
	measureRest  = 30 * time.Second
	measureMost  = 10 * time.Second
)

// snapshot measures, unless somebody did so within maxAge. Whoever asks at the
// same time waits for the same answer.
func (d *Database) snapshot(ctx context.Context, maxAge time.Duration) *snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last != nil {
		rest := min(max(maxAge, d.last.took*measureShare), max(maxAge, measureRest))
		if time.Since(d.last.at) < rest {
			return d.last
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), measureMost)
	defer cancel()
	begun := time.Now()
	s := &snapshot{at: begun}
	s.read(ctx, d)
	s.took = time.Since(begun)
	d.last = s
	return s
}

func (s *snapshot) read(ctx context.Context, d *Database) {
	if s.peers, s.err = d.Peers(ctx); s.err != nil {
		return
	}
	heard := make(map[string]map[string]merge.Vector, len(s.peers))
	for _, p := range s.peers {
		heard[p.Remote.Name] = p.Confirmed
	}
	if s.measure, s.err = d.Store.Measure(ctx, heard); s.err != nil {
		return
	}
	if s.differing, s.err = d.Store.Differing(ctx); s.err != nil || d.Show.Unreplicated == nil {
		return
	}
	s.unreplicated, s.err = d.Show.Unreplicated(ctx)
}

func (d *Database) name() string { return filepath.Base(d.Path) }

// since is how many seconds ago a time was, 0 for the zero time and for one
// that a clock elsewhere has not reached here.
func since(now, at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return max(0, now.Sub(at).Seconds())
}
