package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
)

type datasetCmd struct {
	List    datasetListCmd    `cmd:"" default:"1" help:"List the datasets."`
	Set     datasetSetCmd     `cmd:"" help:"Change a dataset."`
	Relay   datasetRelayCmd   `cmd:"" help:"Hold a private dataset and pass it on without its key."`
	Rotate  datasetRotateCmd  `cmd:"" help:"Give a private dataset a new key, for when a member leaves or the key got out."`
	Enable  datasetEnableCmd  `cmd:"" help:"Replicate a dataset that was disabled; what was written meanwhile goes, too."`
	Disable datasetDisableCmd `cmd:"" help:"Stop replicating a dataset. Its writes are still noted, for when it is enabled."`
}

type datasetListCmd struct{}

// Run lists the datasets.
func (datasetListCmd) Run(ctx context.Context, a *app) error {
	list, err := a.datasets(ctx)
	if err != nil {
		return err
	}
	return a.printDatasets(list)
}

// printDatasets shows datasets with their settings.
func (a *app) printDatasets(list []cdc.DatasetSettings) error {
	if a.JSON {
		type row struct {
			Dataset   string `json:"dataset"`
			Enabled   bool   `json:"enabled"`
			BatchRows int64  `json:"batch_rows"`
			Schema    string `json:"schema"`
			Retention string `json:"retention"`
			Bytes     int64  `json:"retention_bytes"`
			Priority  int64  `json:"priority"`
			Rate      int64  `json:"rate"`
			Interval  string `json:"interval"`
			Interest  string `json:"interest"`
			Private   bool   `json:"private"`
			Keyed     bool   `json:"key"`
		}
		rows := []row{}
		for _, d := range list {
			rows = append(rows, row{d.Dataset, d.Enabled, d.BatchRows, schemaWord(d.FollowSchema), retentionWord(d.Retention), d.RetentionBytes,
				d.Priority, d.Rate, d.Interval.String(), interestWord(d.AllTables), d.Private, d.Keyed})
		}
		return a.printJSON(rows)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "DATASET\tENABLED\tBATCH-ROWS\tSCHEMA\tRETENTION\tAT MOST\tPRIORITY\tRATE\tINTERVAL\tINTEREST")
	for _, d := range list {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", cell(d.Dataset), yesNo(d.Enabled), d.BatchRows, schemaWord(d.FollowSchema), retentionWord(d.Retention), bytesWord(d.RetentionBytes),
			d.Priority, rateWord(d.Rate), intervalWord(d.Interval), joined(interestWord(d.AllTables), privacyWord(d.Private, d.Keyed)))
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
	Name           string         `arg:"" complete:"dataset" help:"The dataset."`
	BatchRows      *int64         `help:"Touched rows that one seal covers at most; a source transaction up to this size stays whole everywhere."`
	Enabled        *bool          `negatable:"" help:"Whether the dataset is replicated."`
	Retention      *lifetime      `placeholder:"DURATION" help:"For how long batches, tombstones and conflicts are kept that every peer has, for example 30d, the default; never drops none."`
	RetentionBytes *int64         `placeholder:"BYTES" help:"How much of batches is kept of what every peer has; 0 is no bound."`
	Priority       *int64         `help:"Whose transactions go first, from -100 to 100: the higher one's. primary has 10, others 0."`
	Rate           *int64         `placeholder:"ROWS" help:"How many changed rows a second are sealed at most, and how many of peers' are applied; 0 is no bound."`
	Interval       *time.Duration `placeholder:"DURATION" help:"How long it is at least from one seal to the next, for example 1s; 0 is as soon as something is written."`
	Private        bool           `help:"Make the dataset private, and make it where there is none: who has not got its key holds and passes on its batches without reading them. Before anything is in it."`
	Schema         string         `enum:",wait,follow" default:"" placeholder:"follow|wait" help:"Whether tables and columns that peers have and this database has not are made here (follow), or wait for the application to make them (wait, the default)."`
}

func rateWord(n int64) string {
	if n == 0 {
		return "any"
	}
	return plural.Of(n, "row") + "/s"
}

func intervalWord(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return d.String()
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
	return plural.Of(n, "byte")
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

func (c *datasetSetCmd) check() error {
	switch {
	case c.BatchRows != nil && (*c.BatchRows < 1 || *c.BatchRows > cdc.MaxBatchRows):
		return usage(fmt.Sprintf("--batch-rows %d", *c.BatchRows), fmt.Sprintf("use 1 to %d", cdc.MaxBatchRows))
	case c.Priority != nil && (*c.Priority < -cdc.MaxPriority || *c.Priority > cdc.MaxPriority):
		return usage(fmt.Sprintf("--priority %d", *c.Priority), fmt.Sprintf("use -%d to %d", cdc.MaxPriority, cdc.MaxPriority))
	case c.Rate != nil && *c.Rate < 0:
		return usage(fmt.Sprintf("--rate %d", *c.Rate), "use a number of rows per second, or 0 for no bound")
	case c.Interval != nil && (*c.Interval < 0 || *c.Interval > cdc.MaxInterval):
		return usage(fmt.Sprintf("--interval %v", *c.Interval), fmt.Sprintf("use a span of time up to %v, such as 1s, or 0 for none", cdc.MaxInterval))
	case c.RetentionBytes != nil && *c.RetentionBytes < 0:
		return usage(fmt.Sprintf("--retention-bytes %d", *c.RetentionBytes), "use a number of bytes, or 0 for no bound")
	}
	return nil
}

// Run changes a dataset.
func (c *datasetSetCmd) Run(ctx context.Context, a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	if *c == (datasetSetCmd{Name: c.Name}) {
		return c.show(ctx, a)
	}
	if c.Private {
		if err := checkDataset(c.Name); err != nil {
			return err
		}
		if err := a.makePrivate(ctx, c.Name); err != nil {
			return err
		}
	}
	change := cdc.DatasetChange{Enabled: c.Enabled, BatchRows: c.BatchRows, RetentionBytes: c.RetentionBytes,
		Priority: c.Priority, Rate: c.Rate, Interval: c.Interval}
	if c.Schema != "" {
		follow := c.Schema == "follow"
		change.FollowSchema = &follow
	}
	if c.Retention != nil {
		d := time.Duration(*c.Retention)
		change.Retention = &d
	}
	return a.setDataset(ctx, c.Name, change)
}

// show shows the settings where none is to be changed.
func (c *datasetSetCmd) show(ctx context.Context, a *app) error {
	if err := checkDataset(c.Name); err != nil {
		return err
	}
	list, err := a.datasets(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(d cdc.DatasetSettings) bool { return d.Dataset == c.Name })
	if i < 0 {
		var names []string
		for _, d := range list {
			names = append(names, d.Dataset)
		}
		return noDataset(c.Name, names)
	}
	if err := a.printDatasets(list[i : i+1]); err != nil || a.JSON {
		return err
	}
	a.say("nothing to change: sqlsync dataset set --help lists the flags")
	return nil
}

func (a *app) setDataset(ctx context.Context, name string, change cdc.DatasetChange) error {
	if err := checkDataset(name); err != nil {
		return err
	}
	store, err := a.look(ctx)
	if err != nil {
		return err
	}
	if store == nil {
		return noDataset(name, nil)
	}
	defer store.Close()
	err = store.SetDataset(ctx, name, change)
	if errors.Is(err, cdc.ErrNoDataset) {
		return noDataset(name, datasetNames(ctx, store))
	}
	return explain(store.Path(), err)
}

type datasetEnableCmd struct {
	Name string `arg:"" complete:"dataset" help:"The dataset."`
}

// Run has a dataset replicated again.
func (c *datasetEnableCmd) Run(ctx context.Context, a *app) error {
	on := true
	return a.setDataset(ctx, c.Name, cdc.DatasetChange{Enabled: &on})
}

type datasetDisableCmd struct {
	Name string `arg:"" complete:"dataset" help:"The dataset."`
}

// Run stops replicating a dataset.
func (c *datasetDisableCmd) Run(ctx context.Context, a *app) error {
	off := false
	return a.setDataset(ctx, c.Name, cdc.DatasetChange{Enabled: &off})
}

// datasetNames are those of a hint: where they cannot be read it does without.
func datasetNames(ctx context.Context, store *cdc.Store) (names []string) {
	list, _ := store.DatasetSettings(ctx)
	for _, d := range list {
		names = append(names, d.Dataset)
	}
	return names
}
