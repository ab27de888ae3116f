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
	"sqlsync/replicate/mesh"
)

type syncCmd struct {
	Remotes    []string      `arg:"" optional:"" name:"remote" complete:"remote" help:"Remotes to sync with; without one, all that have an address."`
	Timeout    time.Duration `default:"30s" help:"How long it may take; 0 is as long as it takes."`
	exchanging `embed:""`
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
	a.noExchange = !c.PeerExchange
	m, err := a.member(ctx, a.DB[0])
	if err != nil {
		return err
	}
	defer m.Store.Close()
	list, err := c.choose(ctx, m)
	if err != nil {
		return err
	}
	limited, cancel := within(ctx, c.Timeout)
	defer cancel()
	failed := false
	for _, r := range list {
		err := m.Sync(limited, r.Name)
		if err == nil {
			a.say("in sync with %s", r.Name)
			continue
		}
		failed = true
		a.complain(explainSync(r.Name, err, c.Timeout))
	}
	if err := waiting(ctx, m.Store); err != nil {
		failed = true
		a.complain(err)
	}
	if failed {
		return errQuiet
	}
	return nil
}

// waiting says which tables are in sync with nobody, nil if all can be.
func waiting(ctx context.Context, store *cdc.Store) error {
	st, err := store.Status(ctx)
	if err != nil {
		return explain(store.Path(), err)
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
func (c *syncCmd) choose(ctx context.Context, m *mesh.Member) (chosen []cdc.Remote, err error) {
	list, err := m.Store.Remotes(ctx)
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
	var unknown *mesh.UnknownHereError
	switch {
	case errors.As(err, &unknown):
		return hint(fmt.Errorf("%s refused the connection: it does not know this node's key, or the address is another node's", name),
			"run there: sqlsync remote add NAME %s", unknown.Self)
	case errors.Is(err, replicate.ErrNoMember):
		return hint(err, "sqlsync invite on a node that has the key of the dataset, and sqlsync join with its ticket here; rows that are not kept any more come from such a node, not from one that passes on")
	case errors.Is(err, replicate.ErrOtherKey):
		return hint(err, otherKeyRemedy)
	case errors.Is(err, replicate.ErrNoDataset):
		return hint(err, "watch tables in it on the other node; or, where it is to pass on a private dataset only, run there: sqlsync dataset relay NAME")
	case errors.Is(err, replicate.ErrRefused):
		return hint(err, "sqlsync remote list, here and there, shows what the two sides allow each other")
	case errors.Is(err, replicate.ErrUnreachable):
		return noAddress(name)
	case errors.Is(err, mesh.ErrMoved):
		return hint(err, "it was noted: try again, with the new key where you gave the old one")
	case errors.Is(err, context.DeadlineExceeded):
		return hint(fmt.Errorf("sync with %s did not end within %v: %w", name, timeout, err), "check that the peer is running and that the address is right, or allow more --timeout")
	}
	return hint(err, "check that the peer is running and that its address is right")
}
