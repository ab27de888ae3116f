package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
	"sqlsync/schema"
)

type conflictsRestoreCmd struct {
	ID string `arg:"" help:"The conflict, or the start of its id."`
}

// Run puts back what was lost.
func (c *conflictsRestoreCmd) Run(ctx context.Context, a *app) error {
	store, list, err := a.openConflicts(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	id, err := conflictID(list, c.ID)
	if err != nil {
		return err
	}
	if err := explainSettled(store, id, store.RestoreConflict(ctx, id)); err != nil {
		return err
	}
	return a.printSettled(id, "restored")
}

// openConflicts opens the database, which the caller closes, to settle what it
// lists.
func (a *app) openConflicts(ctx context.Context) (*cdc.Store, []cdc.Conflict, error) {
	store, err := a.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	list, err := store.Conflicts(ctx)
	if err != nil {
		err = explain(store.Path(), err)
		store.Close()
		return nil, nil, err
	}
	return store, list, nil
}

type conflictsDismissCmd struct {
	IDs   []string `arg:"" optional:"" name:"id" help:"The conflicts, or the starts of their ids."`
	Table []string `sep:"none" xor:"which" complete:"table" help:"All conflicts of this table; may be repeated."`
	All   bool     `xor:"which" help:"All conflicts."`
	Yes   bool     `help:"Do not ask, where it is all of them or those of a table."`
}

// Run takes conflicts off the list.
func (c *conflictsDismissCmd) Run(ctx context.Context, a *app) error {
	many := c.All || c.Table != nil
	if many == (c.IDs != nil) {
		return usage("which conflicts is not clear", "name them by their ids, or give --table TABLE or --all")
	}
	store, list, err := a.openConflicts(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	var ids []string
	if many {
		ids, err = c.choose(ctx, a, store, list)
	} else {
		ids, err = conflictIDs(list, c.IDs)
	}
	if err != nil {
		return err
	}
	err = store.DismissConflicts(ctx, ids...)
	if len(ids) == 1 && !many {
		if err := explainSettled(store, ids[0], err); err != nil {
			return err
		}
		return a.printSettled(ids[0], "dismissed")
	}
	if err := explainSettled(store, "ID", err); err != nil {
		return err
	}
	if a.JSON {
		rows := []settledRow{}
		for _, id := range ids {
			rows = append(rows, settledRow{id, "dismissed"})
		}
		return a.printJSON(rows)
	}
	a.printf("dismissed %s\n", countOf(int64(len(ids)), "conflict"))
	return nil
}

// choose are the conflicts of the tables, or all, which can be dismissed. It asks.
func (c *conflictsDismissCmd) choose(ctx context.Context, a *app, store *cdc.Store, list []cdc.Conflict) (ids []string, err error) {
	names, err := store.LogTables(ctx)
	if err != nil {
		return nil, explain(store.Path(), err)
	}
	for _, t := range c.Table {
		if err := schema.Find(names, t); err != nil {
			return nil, err
		}
	}
	stay := int64(0)
	for _, x := range list {
		if !c.All && !slices.ContainsFunc(c.Table, func(t string) bool { return schema.Same(t, x.Table) }) {
			continue
		}
		if x.Mends() {
			stay++
			continue
		}
		ids = append(ids, x.ID)
	}
	if stay > 0 {
		a.say("%s listed: what is in the way of the row is to be mended", countOf(stay, "conflict")+plural.Choose(stay, " stays", " stay"))
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return ids, a.confirm(c.Yes, fmt.Sprintf("take %s off the list of this node", countOf(int64(len(ids)), "conflict")))
}

type settledRow struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

func (a *app) printSettled(id, state string) error {
	if a.JSON {
		return a.printJSON(settledRow{id, state})
	}
	a.printf("conflict %s: %s\n", id, state)
	return nil
}

// shortestID is the least that is taken for the start of a conflict's id.
const shortestID = 4

func conflictIDs(list []cdc.Conflict, starts []string) (ids []string, err error) {
	for _, start := range starts {
		id, err := conflictID(list, start)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// conflictID is the id of the conflict that is meant by it or by its start.
func conflictID(list []cdc.Conflict, start string) (string, error) {
	var found []string
	for _, c := range list {
		if c.ID == start {
			return start, nil
		}
		if len(start) >= shortestID && strings.HasPrefix(c.ID, start) {
			found = append(found, c.ID)
		}
	}
	switch len(found) {
	case 0:
		return "", hint(fmt.Errorf("%w: %q", cdc.ErrNoConflict, start), "sqlsync conflicts list shows them")
	case 1:
		return found[0], nil
	}
	return "", hint(fmt.Errorf("the ids of %d conflicts begin with %q", len(found), start), "they are: %s", strings.Join(found, ", "))
}

// explainSettled says what to do where a conflict could not be settled.
func explainSettled(store *cdc.Store, id string, err error) error {
	switch {
	case errors.Is(err, cdc.ErrNoConflict):
		return hint(err, "sqlsync conflicts list shows them")
	case errors.Is(err, cdc.ErrMends):
		return hint(err, "sqlsync conflicts show %s says what is in the way: change or delete that", id)
	case errors.Is(err, cdc.ErrRekeyed):
		return hint(err, "sqlsync conflicts show %s says which; sqlsync conflicts dismiss %s takes it off the list", id, id)
	case errors.Is(err, cdc.ErrOutranked):
		return hint(err, "watch the column with another policy, or dismiss the conflict")
	case errors.Is(err, cdc.ErrRefused):
		return hint(err, "change or delete the row that is in the way, then restore again")
	case err != nil:
		return explain(store.Path(), err)
	}
	return nil
}
