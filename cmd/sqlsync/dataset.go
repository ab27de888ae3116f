package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"sqlsync/cdc"
)

type datasetCmd struct {
	List datasetListCmd `cmd:"" default:"1" help:"List the datasets."`
	Set  datasetSetCmd  `cmd:"" help:"Change a dataset."`
}

type datasetListCmd struct{}

// Run lists the datasets.
func (datasetListCmd) Run(ctx context.Context, a *app) error {
	list, err := a.datasets(ctx)
	if err != nil {
		return err
	}
	if a.JSON {
		type row struct {
			Dataset   string `json:"dataset"`
			Enabled   bool   `json:"enabled"`
			BatchRows int64  `json:"batch_rows"`
			Schema    string `json:"schema"`
			Retention string `json:"retention"`
			Bytes     int64  `json:"retention_bytes"`
			Interest  string `json:"interest"`
		}
		rows := []row{}
		for _, d := range list {
			rows = append(rows, row{d.Dataset, d.Enabled, d.BatchRows, schemaWord(d.FollowSchema), retentionWord(d.Retention), d.RetentionBytes, interestWord(d.AllTables)})
		}
		return a.printJSON(rows)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "DATASET\tENABLED\tBATCH-ROWS\tSCHEMA\tRETENTION\tAT MOST\tINTEREST")
	for _, d := range list {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", cell(d.Dataset), yesNo(d.Enabled), d.BatchRows, schemaWord(d.FollowSchema), retentionWord(d.Retention), bytesWord(d.RetentionBytes), interestWord(d.AllTables))
	}
	return w.Flush()
}

func (a *app) datasets(ctx context.Context) ([]cdc.DatasetSettings, error) {
	store, err := a.look(ctx)
	if err != nil || store == nil {
		return nil, err
	}
	defer store.Close()
	list, err := store.DatasetSettings(ctx)
	return list, explain(store.Path(), err)
}

type datasetSetCmd struct {
	Name           string    `arg:"" complete:"dataset" help:"The dataset."`
	BatchRows      *int64    `help:"Touched rows that one seal covers at most; a source transaction up to this size stays whole everywhere."`
	Enabled        *bool     `negatable:"" help:"Whether the dataset is replicated."`
	Retention      *lifetime `placeholder:"DURATION" help:"For how long batches, tombstones and conflicts are kept that every peer has, for example 30d, the default; never drops none."`
	RetentionBytes *int64    `placeholder:"BYTES" help:"How much of batches is kept of what every peer has; 0 is no bound."`
	Schema         string    `enum:",wait,follow" default:"" placeholder:"follow|wait" help:"Whether tables and columns that peers have and this database has not are made here (follow), or wait for the application to make them (wait, the default)."`
}

func retentionWord(d time.Duration) string {
	switch {
	case d == 0:
		return "for ever"
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return d.String()
}

func bytesWord(n int64) string {
	if n == 0 {
		return "any size"
	}
	return fmt.Sprintf("%d bytes", n)
}

func interestWord(all bool) string {
	if all {
		return "all tables"
	}
	return "watched tables"
}

func schemaWord(follow bool) string {
	if follow {
		return "follow"
	}
	return "wait"
}

// Run changes a dataset.
func (c *datasetSetCmd) Run(ctx context.Context, a *app) error {
	if err := checkDataset(c.Name); err != nil {
		return err
	}
	if c.BatchRows != nil && (*c.BatchRows < 1 || *c.BatchRows > cdc.MaxBatchRows) {
		return usage(fmt.Sprintf("--batch-rows %d", *c.BatchRows), fmt.Sprintf("use 1 to %d", cdc.MaxBatchRows))
	}
	store, err := a.look(ctx)
	if err != nil {
		return err
	}
	if store == nil {
		return noDataset(c.Name, nil)
	}
	defer store.Close()
	change := cdc.DatasetChange{Enabled: c.Enabled, BatchRows: c.BatchRows}
	if c.Schema != "" {
		follow := c.Schema == "follow"
		change.FollowSchema = &follow
	}
	if c.Retention != nil {
		d := time.Duration(*c.Retention)
		change.Retention = &d
	}
	change.RetentionBytes = c.RetentionBytes
	err = store.SetDataset(ctx, c.Name, change)
	if errors.Is(err, cdc.ErrNoDataset) {
		return noDataset(c.Name, datasetNames(ctx, store))
	}
	return explain(store.Path(), err)
}

// datasetNames are those of a hint: where they cannot be read it does without.
func datasetNames(ctx context.Context, store *cdc.Store) (names []string) {
	list, _ := store.DatasetSettings(ctx)
	for _, d := range list {
		names = append(names, d.Dataset)
	}
	return names
}
