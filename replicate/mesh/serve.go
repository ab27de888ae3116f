package mesh

import (
	"context"
	"errors"
	"sync"
	"time"

	"sqlsync/cdc"
	"sqlsync/replicate"
)

// ServeOptions say how a member is served. The zero value only dials.
type ServeOptions struct {
	// Port is where peers reach the member, nil if they do not. Its Run is the
	// caller's.
	Port *Port
	// RespondOnly never dials.
	RespondOnly bool
	// Reach says where peers reach the member from elsewhere, as they are to be
	// told; nil is the Port's address.
	Reach func() []string
	// Beside runs too, until its context ends; an error ends the service.
	Beside []func(context.Context) error
}

// Service is a member that is being served.
type Service struct {
	member  *Member
	options ServeOptions
	leave   func()
}

// Serve captures what the application commits, exchanges with remotes and
// prunes, until ctx ends, which is then its error. It fails with ErrServed
// where somebody serves the file already.
func (m *Member) Serve(ctx context.Context, o ServeOptions) error {
	s, err := m.Begin(ctx, o)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Begin is the first half of Serve, for who wants to know when peers are let
// in. Run is the other, and has to be called; ctx is that of both.
func (m *Member) Begin(ctx context.Context, o ServeOptions) (*Service, error) {
	if err := m.exclude(); err != nil {
		return nil, err
	}
	if o.RespondOnly {
		m.respondOnly = true
		if _, err := m.Reload(ctx); err != nil {
			return nil, err
		}
	}
	m.peers = newPresence(m.log, m.nameOf)
	if m.exchange != nil {
		m.exchange.serve(o)
	}
	s := &Service{member: m, options: o, leave: func() {}}
	if o.Port != nil {
		s.leave = o.Port.join(ctx, m)
	}
	return s, nil
}

// Run serves until ctx ends and everything else has; the first part to fail
// ends the others.
func (s *Service) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m := s.member
	parts := []func(context.Context) error{
		m.Store.Follow, m.Node.Run, m.reload, m.report, m.roll, m.prune, m.arrive, m.noteStrangers,
		func(ctx context.Context) error { return m.noteListening(ctx, s.options.Port) },
		func(ctx context.Context) error {
			<-ctx.Done()
			s.leave()
			return nil
		},
	}
	var all sync.WaitGroup
	for _, part := range append(parts, s.options.Beside...) {
		all.Go(func() {
			if err := part(ctx); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// roll compares rows with their metadata in the background.
func (m *Member) roll(ctx context.Context) error { return m.Store.Roll(ctx, cdc.RollingOptions{}) }

// expiryEvery is how often the clock is looked at while a remote is to expire: it
// may be set, and a sleeping machine's timers stand still.
const expiryEvery = 30 * time.Second

// reload tells the node whatever other processes change of the remotes and the
// datasets, and which remotes have expired.
func (m *Member) reload(ctx context.Context) error {
	changed, stop := m.Store.Reconfigured()
	defer stop()
	for {
		next, err := m.Reload(ctx)
		if err != nil && ctx.Err() == nil {
			m.log.Error("read remotes", "err", err)
		}
		var expiry <-chan time.Time
		if !next.IsZero() {
			expiry = time.After(min(time.Until(next), expiryEvery))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-expiry:
		}
	}
}

// noteListening tells sqlsync invite where this node can be reached.
func (m *Member) noteListening(ctx context.Context, p *Port) error {
	var addrs []string
	if p != nil {
		addrs = append(addrs, p.Addr().String())
	}
	if err := m.Store.NoteListening(ctx, addrs); err != nil && ctx.Err() == nil {
		m.log.Warn("note addresses", "err", err)
	}
	return nil
}

// reportEvery is how often what is known of peers is noted in the database,
// where status reads it. Nothing is written where nothing has changed.
const reportEvery = 500 * time.Millisecond

// lastWait is how long what is noted at the end may wait for an application's
// lock.
const lastWait = time.Second

func (m *Member) report(ctx context.Context) error {
	every(ctx, reportEvery, func() {
		if err := m.note(ctx, false); err != nil && ctx.Err() == nil {
			m.log.Warn("note the state of peers", "err", err)
		}
	})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWait)
	defer cancel()
	return m.note(last, true)
}

// every calls f again and again, first after the interval, until ctx ends; it
// returns why that was.
func every(ctx context.Context, interval time.Duration, f func()) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			f()
		}
	}
}

func (m *Member) note(ctx context.Context, ending bool) error {
	list, err := m.Node.Status(ctx)
	if err != nil {
		return err
	}
	states := make([]cdc.PeerState, len(list))
	for i, p := range list {
		states[i] = cdc.PeerState{Peer: p.Remote.Peer, State: string(p.State), Error: p.Error, LastSync: p.LastSync}
		states[i].Datasets = peerDatasets(p, ending)
		if ending {
			states[i].State = string(replicate.Idle)
		}
	}
	return m.Store.NotePeers(ctx, states)
}

// peerDatasets is how the datasets of a remote stand; ending says that nobody is
// connected any more.
func peerDatasets(p replicate.Status, ending bool) map[string]cdc.PeerDataset {
	out := make(map[string]cdc.PeerDataset)
	for name, d := range p.Datasets {
		if ending {
			d.State = replicate.Idle
		}
		out[name] = cdc.PeerDataset{State: string(d.State), Error: d.Error, Denied: d.Denied}
	}
	return out
}

// arriveEvery is how often peers are told of what came in a dataset that a table
// was moved from.
const arriveEvery = time.Minute

func (m *Member) arrive(ctx context.Context) error {
	return every(ctx, arriveEvery, func() {
		for _, dataset := range m.Store.Datasets() {
			if err := m.Store.Stream(dataset).ArriveLate(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, cdc.ErrLocked) {
				m.log.Warn("cannot tell of what came in a former dataset", "dataset", dataset, "err", err)
			}
		}
	})
}

// pruneEvery is how often a running serve drops what is older than the
// retention of its dataset.
const pruneEvery = time.Hour

// prune drops what is old, soon after the start and then now and again.
func (m *Member) prune(ctx context.Context) error {
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		for _, dataset := range m.Store.Datasets() {
			p, err := m.Store.Prune(ctx, dataset, cdc.PruneOptions{})
			if err != nil && ctx.Err() == nil && !errors.Is(err, cdc.ErrLocked) {
				m.log.Warn("cannot prune for now", "dataset", dataset, "err", err)
			}
			if p.Batches > 0 {
				m.log.Info("pruned", "dataset", dataset, "batches", p.Batches, "bytes", p.Bytes)
			}
		}
		timer.Reset(pruneEvery)
	}
}
