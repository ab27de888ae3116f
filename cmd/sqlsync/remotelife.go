package main

import (
	"context"
	"errors"

	"sqlsync/cdc"
)

type remoteRemoveCmd struct {
	Name      string `arg:"" complete:"remote" help:"The peer."`
	Emergency bool   `help:"Its machine or key file is in other hands: let the key in no more, not by a ticket either, until it is added with --readmit."`
	Yes       bool   `help:"Do not ask."`
}

// Run forgets a peer.
func (c *remoteRemoveCmd) Run(ctx context.Context, a *app) error {
	if err := a.confirm(c.Yes, "remove remote "+c.Name); err != nil {
		return err
	}
	return a.changeRemote(ctx, c.Name, func(store *cdc.Store) error {
		remove, ended := store.RemoveRemote, "nothing is exchanged with it any more"
		if c.Emergency {
			remove, ended = store.BanRemote, "its key is let in no more; do the same on every node that knows it"
		}
		if err := remove(ctx, c.Name); err != nil {
			return err
		}
		a.tell("removed %s; %s", cell(c.Name), ended)
		return nil
	})
}

type remoteDisableCmd struct {
	Name string `arg:"" complete:"remote" help:"The peer."`
}

// Run has a peer refused.
func (c *remoteDisableCmd) Run(ctx context.Context, a *app) error {
	return a.changeRemote(ctx, c.Name, func(store *cdc.Store) error { return store.EnableRemote(ctx, c.Name, false) })
}

type remoteEnableCmd struct {
	Name string `arg:"" complete:"remote" help:"The peer."`
}

// Run has a peer exchanged with again.
func (c *remoteEnableCmd) Run(ctx context.Context, a *app) error {
	return a.changeRemote(ctx, c.Name, func(store *cdc.Store) error { return store.EnableRemote(ctx, c.Name, true) })
}

// changeRemote changes a remote, and lists them where there is none of the name.
func (a *app) changeRemote(ctx context.Context, name string, change func(*cdc.Store) error) error {
	store, err := a.look(ctx)
	if err != nil {
		return err
	}
	if store == nil {
		return unknownRemote(name, nil)
	}
	defer store.Close()
	err = change(store)
	if errors.Is(err, cdc.ErrNoRemote) {
		list, lerr := store.Remotes(ctx)
		if lerr != nil {
			return lerr
		}
		return unknownRemote(name, list)
	}
	return explain(store.Path(), err)
}
