package main

import (
	"context"
	"strings"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
)

type pruneCmd struct {
	Dataset string `placeholder:"NAME" complete:"dataset" help:"The dataset; all of them if it is left out."`
	Yes     bool   `help:"Do not ask."`
}

type prunedRow struct {
	Dataset    string   `json:"dataset"`
	Batches    int64    `json:"batches"`
	Bytes      int64    `json:"bytes"`
	Tombstones int64    `json:"tombstones"`
	Conflicts  int64    `json:"conflicts"`
	Blocked    []string `json:"blocked_by"`
}

// Run drops what every peer has confirmed, however new it is.
func (c *pruneCmd) Run(ctx context.Context, a *app) error {
	if err := a.confirm(c.Yes, "drop the batches that every peer has confirmed"); err != nil {
		return err
	}
	store, err := a.look(ctx)
	if err != nil {
		return err
	}
	rows := []prunedRow{}
	if store != nil {
		defer store.Close()
		if rows, err = c.prune(ctx, store); err != nil {
			return err
		}
	}
	if a.JSON {
		return a.printJSON(rows)
	}
	for _, r := range rows {
		a.printf("%s: dropped %s (%s), %s, %s\n", r.Dataset, plural.Of(r.Batches, "batch"), plural.Of(r.Bytes, "byte"), plural.Of(r.Tombstones, "tombstone"), plural.Of(r.Conflicts, "conflict"))
		if len(r.Blocked) > 0 {
			a.say("%s: the rest waits for %s; sqlsync remote set NAME --max-offline DURATION bounds that", r.Dataset, strings.Join(r.Blocked, ", "))
		}
	}
	return nil
}

func (c *pruneCmd) prune(ctx context.Context, store *cdc.Store) (rows []prunedRow, err error) {
	list, err := store.DatasetSettings(ctx)
	if err != nil {
		return nil, explain(store.Path(), err)
	}
	for _, d := range list {
		if c.Dataset != "" && c.Dataset != d.Dataset {
			continue
		}
		p, err := store.Prune(ctx, d.Dataset, cdc.PruneOptions{All: true})
		if err != nil {
			return nil, explain(store.Path(), err)
		}
		rows = append(rows, prunedRow{d.Dataset, p.Batches, p.Bytes, p.Tombstones, p.Conflicts, append([]string{}, p.Blocked...)})
	}
	if c.Dataset != "" && len(rows) == 0 {
		return nil, noDataset(c.Dataset, datasetNames(ctx, store))
	}
	return rows, nil
}
