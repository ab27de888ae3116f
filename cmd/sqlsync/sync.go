package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sqlsync/replicate"
)

type syncCmd struct {
	Remotes []string      `arg:"" optional:"" name:"remote" help:"Remotes to sync with; without one, all that have an address."`
	Timeout time.Duration `default:"30s" help:"How long it may take."`
}

// Run brings both sides to the same state. The remote seals first, so whatever
// either side's applications had committed before is on both afterwards.
func (c *syncCmd) Run(ctx context.Context, a *app) error {
	path, err := a.path()
	if err != nil {
		return err
	}
	m, err := a.member(ctx, path, lockWait)
	if err != nil {
		return err
	}
	defer m.store.Close()
	names, err := c.choose(ctx, m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	failed := false
	for _, name := range names {
		err := m.node.Sync(ctx, name)
		for errors.Is(err, errMoved) && ctx.Err() == nil { // as often as it had other keys
			err = m.node.Sync(ctx, name)
		}
		if err == nil {
			a.say("in sync with %s", name)
			continue
		}
		failed = true
		a.complain(explainSync(name, err, c.Timeout))
	}
	if failed {
		return errQuiet
	}
	return nil
}

func (c *syncCmd) choose(ctx context.Context, m *member) ([]string, error) {
	list, err := m.store.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range list {
		if r.Expired(time.Now()) && slices.Contains(c.Remotes, r.Name) {
			return nil, expired(&r)
		}
		if len(c.Remotes) == 0 && len(r.Addrs) > 0 && !r.Expired(time.Now()) || slices.Contains(c.Remotes, r.Name) {
			names = append(names, r.Name)
		}
	}
	for _, name := range c.Remotes {
		if !slices.Contains(names, name) {
			return nil, unknownRemote(name, list)
		}
	}
	if len(names) == 0 {
		return nil, hint(errors.New("no remote to sync with"), "sqlsync remote add NAME KEY --addr HOST:PORT adds one")
	}
	return names, nil
}

// explainSync says what to do about a sync that failed.
func explainSync(name string, err error, timeout time.Duration) error {
	switch {
	case errors.Is(err, replicate.ErrRefused):
		return hint(fmt.Errorf("%s refused the connection: it does not know this node's key, or the address is another node's", name),
			"run there: sqlsync remote add NAME with the key that sqlsync key prints here")
	case errors.Is(err, replicate.ErrUnreachable):
		return hint(err, "give it an address: sqlsync remote set %s --addr HOST:PORT", name)
	case errors.Is(err, errMoved):
		return hint(err, "it was noted: try again, with the new key where you gave the old one")
	case errors.Is(err, context.DeadlineExceeded):
		return hint(fmt.Errorf("sync with %s did not end within %v: %w", name, timeout, err), "check that the peer is running and that the address is right, or allow more --timeout")
	}
	return hint(err, "check that the peer is running and that its address is right")
}
