package main

import (
	"context"
	"fmt"
	"slices"

	"sqlsync/cdc"
)

type remoteSetCmd struct {
	Name string `arg:"" complete:"remote" help:"The peer."`
	remoteFlags
	Rename      *string `name:"name" help:"A new name for the peer."`
	Both        bool    `xor:"direction" help:"Exchange in both directions."`
	AllDatasets bool    `help:"Exchange every dataset."`
}

// Run changes a peer.
func (c *remoteSetCmd) Run(ctx context.Context, a *app) error {
	if c.Rename != nil {
		if err := checkName(*c.Rename); err != nil {
			return err
		}
	}
	if err := c.check(); err != nil {
		return err
	}
	store, err := a.look(ctx)
	if err != nil {
		return err
	}
	if store == nil {
		return unknownRemote(c.Name, nil)
	}
	defer store.Close()
	list, err := store.Remotes(ctx)
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.Name != c.Name {
			continue
		}
		if c.Both {
			r.Pull, r.Push, r.Directions = true, true, nil
		}
		c.apply(&r)
		if c.AllDatasets {
			r.Datasets = nil
		}
		if err := c.rename(ctx, store, list); err != nil {
			return err
		}
		if c.Rename != nil {
			r.Name = *c.Rename
		}
		if err := store.SetRemote(ctx, r); err != nil {
			return explain(store.Path(), err)
		}
		return c.noteDatasets(ctx, a, store)
	}
	return unknownRemote(c.Name, list)
}

func (c *remoteSetCmd) rename(ctx context.Context, store *cdc.Store, list []cdc.Remote) error {
	if c.Rename == nil || *c.Rename == c.Name {
		return nil
	}
	if slices.ContainsFunc(list, func(r cdc.Remote) bool { return r.Name == *c.Rename }) {
		return hint(fmt.Errorf("there is a remote %q already", *c.Rename), "sqlsync remote list shows the remotes")
	}
	return explain(store.Path(), store.RenameRemote(ctx, c.Name, *c.Rename))
}
