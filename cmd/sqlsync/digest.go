package main

import (
	"context"
	"maps"
	"slices"
	"text/tabwriter"
)

type digestCmd struct {
	Tables []string `arg:"" optional:"" name:"table" help:"Tables to digest; without one, all that are watched."`
}

type digestRow struct {
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"`
}

// Run prints digests.
func (c *digestCmd) Run(ctx context.Context, a *app) error {
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	digests, err := store.Digest(ctx, c.Tables)
	if err != nil {
		return explain(store.Path(), err)
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
		(&app{stdout: w}).printf("%s\t%d rows\t%s\n", name, rows[name].Rows, rows[name].Digest)
	}
	return w.Flush()
}
