package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"sqlsync/cdc"
)

type datasetCmd struct {
	List datasetListCmd `cmd:"" default:"1" help:"List the datasets."`
	Set  datasetSetCmd  `cmd:"" help:"Change a dataset's limits, or make a new one."`
}

type datasetListCmd struct{}

// Run lists the datasets.
func (datasetListCmd) Run(ctx context.Context, a *app) error {
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	list, err := store.DatasetSettings(ctx)
	if err != nil {
		return explain(store.Path(), err)
	}
	if a.JSON {
		type row struct {
			Dataset   string `json:"dataset"`
			Enabled   bool   `json:"enabled"`
			BatchRows int64  `json:"batch_rows"`
		}
		rows := []row{}
		for _, d := range list {
			rows = append(rows, row(d))
		}
		return a.printJSON(rows)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "DATASET\tENABLED\tBATCH-ROWS")
	for _, d := range list {
		fmt.Fprintf(w, "%s\t%s\t%d\n", d.Dataset, yesNo(d.Enabled), d.BatchRows)
	}
	return w.Flush()
}

type datasetSetCmd struct {
	Name      string `arg:"" help:"The dataset."`
	BatchRows int64  `help:"Touched rows that one seal covers at most; a source transaction up to this size stays whole everywhere."`
	Enabled   *bool  `negatable:"" help:"Whether the dataset is replicated."`
}

// Run changes a dataset.
func (c *datasetSetCmd) Run(ctx context.Context, a *app) error {
	if c.BatchRows < 0 || c.BatchRows > cdc.MaxBatchRows {
		return usage(fmt.Sprintf("--batch-rows %d", c.BatchRows), fmt.Sprintf("use 1 to %d", cdc.MaxBatchRows))
	}
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	err = store.SetDataset(ctx, c.Name, c.BatchRows, c.Enabled)
	if errors.Is(err, cdc.ErrNoDataset) {
		return hint(err, "sqlsync dataset list shows them; watch TABLE --dataset makes a new one")
	}
	return explain(store.Path(), err)
}
