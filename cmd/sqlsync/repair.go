package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
)

type repairCmd struct {
	Tables []string `arg:"" optional:"" name:"table" complete:"table" help:"Tables to repair; without one, all that are watched, and the batches are verified too."`
}

type repairReport struct {
	verifyReport
	Repaired []repairedTable `json:"repaired"`
	Left     int64           `json:"left"`
}

type repairedTable struct {
	Table    string `json:"table"`
	Triggers int    `json:"triggers"`
	Rows     int    `json:"rows"`
}

// Run mends what verify finds, and says what it did.
func (c *repairCmd) Run(ctx context.Context, a *app) error {
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	f := a.findings()
	o := f.options(c.Tables)
	o.Found = func(found cdc.Finding) error {
		if !a.JSON && (found.Kind.Row() || found.Kind.Trigger()) {
			return nil // said by table
		}
		return f.found(found)
	}
	r, err := store.Repair(ctx, o)
	if errors.Is(err, cdc.ErrNotWatched) {
		return a.notWatched(ctx, err, c.Tables)
	}
	if err != nil {
		return explain(store.Path(), err)
	}
	list := repairedTables(r)
	if a.JSON {
		if err := a.printJSON(repairReport{f.report(&r.Verification), list, r.Left}); err != nil {
			return err
		}
	} else {
		f.printMore()
		printRepaired(a, r, list)
	}
	if r.Left == 0 {
		return nil
	}
	f.total, f.mendable = r.Left, 0
	return f.failure()
}

func repairedTables(r *cdc.Repaired) []repairedTable {
	names := make(map[string]bool)
	for name := range r.Triggers {
		names[name] = true
	}
	for name := range r.Rows {
		names[name] = true
	}
	list := []repairedTable{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		list = append(list, repairedTable{name, r.Triggers[name], r.Rows[name]})
	}
	return list
}

func printRepaired(a *app, r *cdc.Repaired, list []repairedTable) {
	for _, t := range list {
		if t.Triggers > 0 {
			a.printf("%s: capture installed anew, %s\n", t.Table, wrong(t.Triggers))
		}
		if t.Rows > 0 {
			a.printf("%s: %s sealed as in the table\n", t.Table, countOf(int64(t.Rows), "row"))
		}
	}
	if len(list) == 0 {
		a.printf("%s: nothing to repair\n", summary(&r.Verification))
	}
}

func wrong(triggers int) string {
	return plural.Of(triggers, "trigger") + plural.Choose(triggers, " was not as it should be", " were not as they should be")
}
