package main

import (
	"context"
	"maps"
	"slices"
	"text/tabwriter"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
)

type digestCmd struct {
	Tables []string `arg:"" optional:"" name:"table" complete:"table" help:"Tables to digest; without one, all that are watched."`
}

type digestRow struct {
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"`
}

// Run prints digests.
func (c *digestCmd) Run(ctx context.Context, a *app) error {
	digests, err := c.digests(ctx, a)
	if err != nil {
		return err
	}
	rows := make(map[string]digestRow, len(digests))
	for name, d := range digests {
		rows[name] = digestRow{d.Rows, d.Sum}
	}
	if a.JSON {
		return a.printJSON(map[string]any{"tables": rows})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		(&app{stdout: w}).printf("%s\t%s\t%s\n", cell(name), plural.Of(rows[name].Rows, "row"), rows[name].Digest)
	}
	return w.Flush()
}

func (c *digestCmd) digests(ctx context.Context, a *app) (map[string]cdc.Digest, error) {
	store, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	if store == nil {
		digests, err := cdc.DigestOf(ctx, a.DB[0], c.Tables)
		return digests, explain(a.DB[0], err)
	}
	defer store.Close()
	digests, err := store.Digest(ctx, c.Tables)
	return digests, explain(store.Path(), err)
}
