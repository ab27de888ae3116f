package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"sqlsync/cdc"
)

type conflictsCmd struct {
	List conflictsListCmd `cmd:"" default:"1" help:"List the conflicts, the newest last."`
	Show conflictsShowCmd `cmd:"" help:"Show one conflict with both images."`
}

type conflictsListCmd struct{}

type conflictRow struct {
	ID           string `json:"id"`
	Kind         string `json:"kind"`
	Table        string `json:"table"`
	Key          row    `json:"key"`
	Winner       row    `json:"winner"`
	Loser        row    `json:"loser"`
	Time         string `json:"time"`
	WinnerOrigin string `json:"winner_origin"`
	LoserOrigin  string `json:"loser_origin"`
}

func conflictOf(c cdc.Conflict) conflictRow {
	return conflictRow{
		ID: c.ID, Kind: c.Kind, Table: c.Table, Key: rowOf(c.Key), Winner: rowOf(c.Winner), Loser: rowOf(c.Loser),
		Time:         max(c.WinnerVersion.HLC.Seal(), c.LoserVersion.HLC.Seal()).Time().Format("2006-01-02T15:04:05.000Z"),
		WinnerOrigin: nodeKey(c.WinnerVersion.Origin), LoserOrigin: nodeKey(c.LoserVersion.Origin),
	}
}

func rowOf(values []cdc.NamedValue) row {
	r := row{}
	for _, v := range values {
		r = append(r, column{v.Name, v.Value})
	}
	return r
}

// Run lists the conflicts.
func (conflictsListCmd) Run(ctx context.Context, a *app) error {
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	rows, err := conflictRows(ctx, store)
	if err != nil {
		return explain(store.Path(), err)
	}
	if a.JSON {
		return a.printJSON(rows)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTIME\tKIND\tTABLE\tKEY\tKEPT\tLOST")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Time, r.Kind, r.Table, r.Key, r.Winner, r.Loser)
	}
	return w.Flush()
}

func conflictRows(ctx context.Context, store *cdc.Store) ([]conflictRow, error) {
	list, err := store.Conflicts(ctx)
	rows := []conflictRow{}
	for _, c := range list {
		rows = append(rows, conflictOf(c))
	}
	return rows, err
}

type conflictsShowCmd struct {
	ID string `arg:"" help:"The conflict."`
}

// Run shows one conflict.
func (c *conflictsShowCmd) Run(ctx context.Context, a *app) error {
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	list, err := store.Conflicts(ctx)
	if err != nil {
		return explain(store.Path(), err)
	}
	for _, have := range list {
		if have.ID != c.ID {
			continue
		}
		r := conflictOf(have)
		if a.JSON {
			return a.printJSON(r)
		}
		a.printf("conflict %s: %s in %s, %s\n", r.ID, r.Kind, r.Table, r.Key)
		a.printf("kept  %s  %s\n", short(have.WinnerVersion.Origin), r.Winner)
		a.printf("lost  %s  %s\n", short(have.LoserVersion.Origin), r.Loser)
		return nil
	}
	return hint(fmt.Errorf("no conflict %q", c.ID), "sqlsync conflicts list shows them")
}
