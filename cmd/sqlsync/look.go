package main

import (
	"context"

	"sqlsync/cdc"
)

// look opens the database that a verb only looks at. It returns nil where the
// database is no node: looking leaves file and folder as they are.
func (a *app) look(ctx context.Context) (*cdc.Store, error) {
	is, err := a.isNode(ctx)
	if err != nil || !is {
		return nil, err
	}
	return a.open(ctx)
}

// isNode reports whether the database that the verb is about is set up.
func (a *app) isNode(ctx context.Context) (bool, error) {
	path, err := a.path()
	if err != nil {
		return false, err
	}
	if err := cdc.Probe(ctx, path); err != nil {
		return false, explain(path, err)
	}
	is, err := cdc.IsNode(ctx, path)
	return is, explain(path, err)
}

// tables lists the tables of a database, of one that is no node too.
func (a *app) tables(ctx context.Context) ([]cdc.TableStatus, error) {
	store, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	if store == nil {
		list, err := cdc.TablesOf(ctx, a.DB[0])
		return list, explain(a.DB[0], err)
	}
	defer store.Close()
	list, err := store.Tables(ctx)
	return list, explain(store.Path(), err)
}

// remotes lists the remotes of a database, none of one that is no node.
func (a *app) remotes(ctx context.Context) ([]cdc.Remote, error) {
	store, err := a.look(ctx)
	if err != nil || store == nil {
		return nil, err
	}
	defer store.Close()
	return store.Remotes(ctx)
}

// conflicts lists the conflicts of a database, none of one that is no node.
func (a *app) conflicts(ctx context.Context) ([]cdc.Conflict, error) {
	store, err := a.look(ctx)
	if err != nil || store == nil {
		return nil, err
	}
	defer store.Close()
	list, err := store.Conflicts(ctx)
	return list, explain(store.Path(), err)
}
