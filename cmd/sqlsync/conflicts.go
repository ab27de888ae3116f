package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"text/tabwriter"

	"sqlsync/cdc"
	"sqlsync/merge"
)

type conflictsCmd struct {
	List conflictsListCmd `cmd:"" default:"1" help:"List the conflicts, the newest last."`
	Show conflictsShowCmd `cmd:"" help:"Show one conflict with both images."`

	Restore conflictsRestoreCmd `cmd:"" help:"Put back what was lost, as a change of this node's own, on every node."`
	Dismiss conflictsDismissCmd `cmd:"" help:"Take a conflict off the list of this node; nothing else changes."`
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
	Constraint   string `json:"constraint,omitempty"`
	Rekeyed      row    `json:"rekeyed,omitempty"`
}

func conflictOf(c cdc.Conflict) conflictRow {
	return conflictRow{
		ID: c.ID, Kind: c.Kind, Table: c.Table, Key: rowOf(c.Key), Winner: rowOf(c.Winner), Loser: rowOf(c.Loser),
		Time:         max(c.WinnerVersion.HLC.Seal(), c.LoserVersion.HLC.Seal()).Time().Format(timeLayout),
		WinnerOrigin: nodeKey(c.WinnerVersion.Origin), LoserOrigin: nodeKey(c.LoserVersion.Origin),
		Constraint: c.Constraint, Rekeyed: rowOf(c.Rekeyed),
	}
}

func rowOf(values []cdc.NamedValue) row {
	r := row{}
	for _, v := range values {
		r = append(r, column{v.Name, v.Value})
	}
	return r
}

// image is one side of a conflict, for people: a row that was deleted has none.
func (r row) image(most int) string {
	if len(r) == 0 {
		return "(deleted)"
	}
	return r.join(most)
}

// beside is an image without what is NULL on both sides: of wide rows that is
// most, and says nothing.
func (r row) beside(other row) row {
	var list row
	for _, c := range r {
		if c.value != nil || slices.ContainsFunc(other, func(o column) bool { return o.name == c.name && o.value != nil }) {
			list = append(list, c)
		}
	}
	if list == nil {
		return r
	}
	return list
}

// lost is what the conflict cost, for people.
func (r conflictRow) lost(most int) string {
	switch {
	case r.Constraint != "":
		return "nothing: it breaks " + r.Constraint
	case len(r.Rekeyed) > 0:
		return r.Loser.image(most) + ", now " + r.Rekeyed.String()
	}
	return r.Loser.image(most)
}

// Run lists the conflicts.
func (conflictsListCmd) Run(ctx context.Context, a *app) error {
	list, err := a.conflicts(ctx)
	if err != nil {
		return err
	}
	rows := conflictRows(list)
	if a.JSON {
		return a.printJSON(rows)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTIME\tKIND\tTABLE\tKEY\tKEPT\tLOST")
	for _, r := range rows {
		r.Winner, r.Loser = r.Winner.beside(r.Loser), r.Loser.beside(r.Winner)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Time, r.Kind, cell(r.Table), r.Key, r.Winner.image(textShown), r.lost(textShown))
	}
	return w.Flush()
}

func conflictRows(list []cdc.Conflict) []conflictRow {
	rows := []conflictRow{}
	for _, c := range list {
		rows = append(rows, conflictOf(c))
	}
	return rows
}

type conflictsShowCmd struct {
	ID string `arg:"" help:"The conflict, or the start of its id."`
}

// Run shows one conflict.
func (c *conflictsShowCmd) Run(ctx context.Context, a *app) error {
	list, err := a.conflicts(ctx)
	if err != nil {
		return err
	}
	id, err := conflictID(list, c.ID)
	if err != nil {
		return err
	}
	for _, have := range list {
		if have.ID != id {
			continue
		}
		r := conflictOf(have)
		if a.JSON {
			return a.printJSON(r)
		}
		names, err := a.nodeNames(ctx)
		if err != nil {
			return err
		}
		a.printf("conflict %s in %s, %s\n", r.ID, cell(r.Table), r.Key)
		a.printf("rule  %s\n", rules[r.Kind])
		if r.Constraint != "" {
			a.printf("breaks  %s\n", r.Constraint)
			a.printf("row   %s  %s  %s\n", r.Time, names(have.WinnerVersion.Origin), r.Winner.image(math.MaxInt))
			return nil
		}
		for _, side := range []struct {
			word  string
			v     merge.Version
			image row
		}{{"kept", have.WinnerVersion, r.Winner}, {"lost", have.LoserVersion, r.Loser}} {
			a.printf("%s  %s  %s  %s\n", side.word, side.v.HLC.Time().Format(timeLayout), names(side.v.Origin), side.image.image(math.MaxInt))
		}
		if len(r.Rekeyed) > 0 {
			a.printf("now   the lost row is %s\n", r.Rekeyed)
		}
		return nil
	}
	return nil
}

// rules say by which rule one side of a conflict stands, by kind.
var rules = map[string]string{
	"cell":        "both changed the same column, and the later change stands",
	"row":         "the change was to a row that had been replaced, or rows merge as a whole; the later row stands",
	"unique":      "both rows claim one UNIQUE value; the one born first has it, the other is kept aside and comes back when the value is free",
	"key":         "both inserted a row under one key, and the later row stands",
	"delete":      "one deleted the row while the other changed it, and the delete stands",
	"baseline":    "the row was there on both when they were first watched, and differed; the one that was watched first stands",
	"foreign_key": "the row refers to one that is not there",
	"check":       "the row breaks a CHECK constraint here",
}

// nodeNames returns a function that names nodes as people do here.
func (a *app) nodeNames(ctx context.Context) (func(merge.NodeID) string, error) {
	store, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return nodeNames(ctx, store)
}

// nodeNames returns that function for a store, of which it needs only what it
// knows by now.
func nodeNames(ctx context.Context, store *cdc.Store) (func(merge.NodeID) string, error) {
	remotes, err := store.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	names := map[merge.NodeID]string{{}: "unknown"}
	for _, r := range remotes {
		names[r.Key] = r.Name
	}
	return func(n merge.NodeID) string {
		switch name := names[n]; {
		case store.Mine(n):
			return "this node"
		case name != "":
			return name
		}
		return short(n)
	}, nil
}
