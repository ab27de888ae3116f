package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sqlsync/cdc"
	"sqlsync/replicate"
)

type syncCmd struct {
	Remotes []string      `arg:"" optional:"" name:"remote" help:"Remotes to sync with; without one, all that have an address."`
	Timeout time.Duration `default:"30s" help:"How long it may take; 0 is as long as it takes."`
}

// Run brings both sides to the same state. The remote seals first, so whatever
// either side's applications had committed before is on both afterwards.
func (c *syncCmd) Run(ctx context.Context, a *app) error {
	if err := checkTimeout(c.Timeout); err != nil {
		return err
	}
	if is, err := a.isNode(ctx); err != nil || !is {
		return cmp.Or(err, c.noRemotes(nil))
	}
	m, err := a.member(ctx, a.DB[0], lockWait)
	if err != nil {
		return err
	}
	defer m.store.Close()
	list, err := c.choose(ctx, m)
	if err != nil {
		return err
	}
	limited, cancel := within(ctx, c.Timeout)
	defer cancel()
	failed := false
	for _, r := range list {
		err := m.sync(limited, r.Name)
		if nerr := m.noteSync(context.WithoutCancel(ctx), r, err); nerr != nil {
			m.log.Warn("note the state of a peer", "peer", r.Name, "err", nerr)
		}
		if err == nil {
			a.say("in sync with %s", r.Name)
			continue
		}
		failed = true
		a.complain(explainSync(r.Name, err, c.Timeout))
	}
	if err := m.waiting(ctx); err != nil {
		failed = true
		a.complain(err)
	}
	if failed {
		return errQuiet
	}
	return nil
}

// sync syncs with a remote. What came may have changed rows of this node's own,
// which were given other keys: then it goes on until those are there, too.
func (m *member) sync(ctx context.Context, remote string) error {
	err := m.node.Sync(ctx, remote)
	for errors.Is(err, errMoved) && ctx.Err() == nil { // as often as it had other keys
		err = m.node.Sync(ctx, remote)
	}
	if err != nil {
		return err
	}
	st, err := m.store.Status(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(st.Datasets, func(d cdc.DatasetStatus) bool { return d.Pending > 0 }) {
		return nil
	}
	return m.node.Sync(ctx, remote)
}

// waiting says which tables are in sync with nobody, nil if all can be.
func (m *member) waiting(ctx context.Context) error {
	st, err := m.store.Status(ctx)
	if err != nil {
		return explain(m.store.Path(), err)
	}
	var errs []error
	for _, table := range slices.Sorted(maps.Keys(st.Waiting)) {
		errs = append(errs, fmt.Errorf("table %s waits, and is not in sync: %s", table, st.Waiting[table]))
	}
	if errs == nil {
		return nil
	}
	return hint(errors.Join(errs...), "watch it in the same way on all nodes; nothing is lost meanwhile")
}

// choose returns the remotes that are named, or all that have an address.
func (c *syncCmd) choose(ctx context.Context, m *member) (chosen []cdc.Remote, err error) {
	list, err := m.store.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		isShut := r.Shut(time.Now()) != ""
		if isShut && slices.Contains(c.Remotes, r.Name) {
			return nil, shut(&r)
		}
		if len(c.Remotes) == 0 && len(r.Addrs) > 0 && !isShut || slices.Contains(c.Remotes, r.Name) {
			chosen = append(chosen, r)
		}
	}
	for _, name := range c.Remotes {
		if !slices.ContainsFunc(chosen, func(r cdc.Remote) bool { return r.Name == name }) {
			return nil, unknownRemote(name, list)
		}
	}
	if len(chosen) == 0 {
		return nil, c.noRemotes(list)
	}
	return chosen, nil
}

// noRemotes says why there is nobody to sync with; none of list has an
// address and is let in.
func (c *syncCmd) noRemotes(list []cdc.Remote) error {
	if len(c.Remotes) > 0 {
		return unknownRemote(c.Remotes[0], list)
	}
	if len(list) == 0 {
		return hint(errors.New("no remote to sync with"), "sqlsync remote add NAME KEY --addr HOST:PORT adds one")
	}
	errs := make([]error, len(list))
	for i, r := range list {
		if errs[i] = noAddress(r.Name); r.Shut(time.Now()) != "" {
			errs[i] = shut(&r)
		}
	}
	return errors.Join(errs...)
}

func noAddress(name string) error {
	return fmt.Errorf("%s has no address: it dials us; or give it one: sqlsync remote set %s --addr HOST:PORT", name, name)
}

// noteSync keeps for status how a sync has ended, and what the remote has
// confirmed. Beside a running serve only the time is news.
func (m *member) noteSync(ctx context.Context, r cdc.Remote, failure error) error {
	if errors.Is(failure, context.Canceled) {
		return nil // nobody's trouble
	}
	p := cdc.PeerState{Peer: r.Key, State: string(replicate.Idle)}
	if served(m.store.Path()) {
		if failure != nil {
			return nil
		}
		had, err := m.store.Peers(ctx)
		if err != nil {
			return err
		}
		p = had[r.Key]
		p.Peer = r.Key
	}
	switch {
	case failure == nil:
		p.LastSync = time.Now()
	case errors.Is(failure, replicate.ErrRefused):
		p.State = string(replicate.Refused)
	}
	if failure != nil {
		p.Error = oneLine(failure.Error())
	}
	if err := m.confirm(ctx, r); err != nil {
		return err
	}
	return m.store.NotePeers(ctx, []cdc.PeerState{p})
}

// confirm keeps what the node knows that a remote has.
func (m *member) confirm(ctx context.Context, r cdc.Remote) error {
	list, err := m.node.Status(ctx)
	if err != nil {
		return err
	}
	for _, st := range list {
		if st.Remote.Peer != r.Key {
			continue
		}
		for dataset, v := range st.Confirmed {
			if err := m.store.Stream(dataset).Confirm(ctx, r.Key, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// within bounds a context; 0 is as long as it takes.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

func checkTimeout(d time.Duration) error {
	if d < 0 {
		return usage(fmt.Sprintf("--timeout %v", d), "use a span such as 30s, or 0 for as long as it takes")
	}
	return nil
}

// explainSync says what to do about a sync that failed.
func explainSync(name string, err error, timeout time.Duration) error {
	var unknown *unknownHere
	switch {
	case errors.As(err, &unknown):
		return hint(fmt.Errorf("%s refused the connection: it does not know this node's key, or the address is another node's", name),
			"run there: sqlsync remote add NAME %s", unknown.self)
	case errors.Is(err, replicate.ErrRefused):
		return hint(err, "sqlsync remote list, here and there, shows what the two sides allow each other")
	case errors.Is(err, replicate.ErrUnreachable):
		return noAddress(name)
	case errors.Is(err, errMoved):
		return hint(err, "it was noted: try again, with the new key where you gave the old one")
	case errors.Is(err, context.DeadlineExceeded):
		return hint(fmt.Errorf("sync with %s did not end within %v: %w", name, timeout, err), "check that the peer is running and that the address is right, or allow more --timeout")
	}
	return hint(err, "check that the peer is running and that its address is right")
}
