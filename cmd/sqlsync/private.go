package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/replicate/mesh"
)

// makePrivate gives a dataset in which nothing is yet a key of its own.
func (a *app) makePrivate(ctx context.Context, name string) error {
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	path := mesh.DatasetKeysPath(store.Path())
	keys, err := crypto.LoadDatasetKeys(path)
	if err != nil {
		return explainDatasetKeys(path, err)
	}
	list, err := store.DatasetSettings(ctx)
	if err != nil {
		return explain(store.Path(), err)
	}
	i := slices.IndexFunc(list, func(d cdc.DatasetSettings) bool { return d.Dataset == name })
	_, keyed := keys[name]
	switch private := i >= 0 && list[i].Private; {
	case private && keyed:
		a.tell("%s is private already", name)
		return nil
	case private:
		return hint(errors.New(name+" is private, and its key is another node's to give"),
			"on a node that has it: sqlsync invite --dataset %s; here: sqlsync join TICKET", name)
	case !keyed && (i < 0 || !list[i].Used):
		if err := crypto.AddDatasetKeys(path, name, crypto.NewDatasetKey()); err != nil {
			return explainDatasetKeys(path, err)
		}
	}
	if err := store.MakePrivate(ctx, name); err != nil {
		return explainPrivate(store.Path(), name, err)
	}
	a.tell("%s is private, with a new key in %s: sqlsync invite gives it to nodes that are to read; those that are to pass on only run sqlsync dataset relay %s", name, path, name)
	return nil
}

// takeKeys keeps the keys that came with a ticket. One that was made here and has
// encrypted nothing gives way.
func (a *app) takeKeys(ctx context.Context, store *cdc.Store, keys crypto.DatasetKeys) error {
	path := mesh.DatasetKeysPath(store.Path())
	have, err := store.DatasetSettings(ctx)
	if err != nil {
		return explain(store.Path(), err)
	}
	for name, list := range keys {
		err := crypto.AddDatasetKeys(path, name, list...)
		if errors.Is(err, crypto.ErrOtherDatasetKey) && !slices.ContainsFunc(have, func(d cdc.DatasetSettings) bool { return d.Dataset == name && d.Used }) {
			if err = crypto.ForgetDatasetKey(path, name); err == nil {
				err = crypto.AddDatasetKeys(path, name, list...)
			}
			a.say("the key of %s that was made here was never used, and gave way to the ticket's", name)
		}
		if err != nil {
			return explainDatasetKeys(path, err)
		}
		if err := store.MakePrivate(ctx, name); err != nil {
			return explainPrivate(store.Path(), name, err)
		}
	}
	return nil
}

// keysOf are the keys that a ticket for some datasets carries, nil for all.
func keysOf(store *cdc.Store, datasets []string) (crypto.DatasetKeys, error) {
	path := mesh.DatasetKeysPath(store.Path())
	keys, err := crypto.LoadDatasetKeys(path)
	if err != nil {
		return nil, explainDatasetKeys(path, err)
	}
	for name := range keys {
		if datasets != nil && !slices.Contains(datasets, name) {
			delete(keys, name)
		}
	}
	return keys, nil
}

// readable refuses datasets of which this node has no rows to tell.
func readable(ctx context.Context, store *cdc.Store, names []string) error {
	list, err := store.DatasetSettings(ctx)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.Private && !d.Keyed && slices.Contains(names, d.Dataset) {
			return fmt.Errorf("%w: %q", cdc.ErrNoDatasetKey, d.Dataset)
		}
	}
	return nil
}

func explainPrivate(path, dataset string, err error) error {
	if errors.Is(err, cdc.ErrInClear) {
		return hint(err, "make a dataset private before anything is in it, and move the tables there: sqlsync dataset set NAME --private, then sqlsync watch TABLE --dataset NAME")
	}
	return explain(path, err)
}

func explainDatasetKeys(path string, err error) error {
	switch {
	case errors.Is(err, crypto.ErrKeyPermissions):
		return hint(err, "chmod 600 %s", path)
	case errors.Is(err, crypto.ErrManyDatasetKeys):
		return hint(err, "make another dataset private and move the tables there: sqlsync watch TABLE --dataset NAME")
	case errors.Is(err, crypto.ErrOtherDatasetKey):
		return hint(err, "something is encrypted with it already, and two such datasets of one name cannot meet: join with a database of its own")
	}
	return err
}

// privacyWord says who reads a dataset, "" where it is in clear.
func privacyWord(private, keyed bool) string {
	switch {
	case private && keyed:
		return "private"
	case private:
		return "private, unread"
	}
	return ""
}

func joined(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), ", ")
}
