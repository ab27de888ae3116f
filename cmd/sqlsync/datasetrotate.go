package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/replicate/mesh"
)

type datasetRotateCmd struct {
	Name string `arg:"" complete:"dataset" help:"The private dataset."`
	With string `placeholder:"KEYS" help:"Take the new key that sqlsync dataset rotate printed on another member; - reads it from standard input, where other users do not see it."`
	Yes  bool   `help:"Do not ask."`
}

// Run gives a private dataset a new key, or takes one that another member made.
func (c *datasetRotateCmd) Run(ctx context.Context, a *app) error {
	if err := checkDataset(c.Name); err != nil {
		return err
	}
	var told crypto.DatasetKeys
	if c.With != "" {
		var err error
		if told, err = c.told(a); err != nil {
			return err
		}
	}
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
	have := keys[c.Name]
	switch {
	case !slices.Contains(store.Datasets(), c.Name):
		return noDataset(c.Name, store.Datasets())
	case len(have) == 0:
		return explain(store.Path(), fmt.Errorf("%w: %q", cdc.ErrNoDatasetKey, c.Name))
	case c.With != "":
		have = told[c.Name]
	default:
		if err := a.confirm(c.Yes, "give "+c.Name+" a new key, without which members write for themselves"); err != nil {
			return err
		}
		have = append(slices.Clone(have), crypto.NewDatasetKey())
	}
	if err := crypto.AddDatasetKeys(path, c.Name, have...); err != nil {
		return explainDatasetKeys(path, err)
	}
	// A running serve meets its peers anew.
	if err := store.SetDataset(ctx, c.Name, cdc.DatasetChange{}); err != nil {
		return explain(store.Path(), err)
	}
	if c.With != "" {
		a.tell("%s is written with the new key from now on", c.Name)
		return nil
	}
	return c.print(a, have)
}

// told are the keys that another member printed.
func (c *datasetRotateCmd) told(a *app) (crypto.DatasetKeys, error) {
	text := c.With
	if text == "-" {
		b, err := io.ReadAll(io.LimitReader(a.stdin, 1<<16))
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		text = string(b)
	}
	keys, err := crypto.ParseDatasetKeys(text)
	if err == nil && len(keys[c.Name]) == 0 {
		err = errors.New("the keys are another dataset's")
	}
	if err != nil {
		return nil, usage(err.Error(), "sqlsync dataset rotate "+c.Name+" prints them on another member")
	}
	return keys, nil
}

// print prints the keys alone on the last line, in which scripts find them.
func (c *datasetRotateCmd) print(a *app, keys []crypto.DatasetKey) error {
	text, err := crypto.DatasetKeys{c.Name: keys}.Text()
	if err != nil {
		return err
	}
	if a.JSON {
		return a.printJSON(map[string]any{"dataset": c.Name, "keys": text})
	}
	a.say("on every member that stays: sqlsync dataset rotate %s --with KEYS; until then it cannot read what is written from now on. Pass the keys on by a way that keeps nothing", c.Name)
	a.say("whoever leaves can read what was written before, and is removed by sqlsync remote remove on every node, relays too")
	a.printf("%s\n", text)
	return nil
}
