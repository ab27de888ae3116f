package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
	"sqlsync/schema"
)

type watchCmd struct {
	Tables  []string `arg:"" optional:"" name:"table" complete:"table" help:"Tables to watch."`
	All     bool     `help:"Watch every table that can be watched."`
	Dataset *string  `complete:"dataset" help:"Dataset the tables belong to, primary if not given; it is created if it does not exist. A table that is watched in another one is moved."`
	Merge   string   `placeholder:"POLICY" help:"How rows merge: lww (per cell, the last writer; the default), row (the whole row), append (rows are only added), or for the columns it fits json, counter, max, min, sql:EXPR."`
	Column  []string `sep:"none" placeholder:"COL=POLICY" help:"How one column merges; may be repeated."`
	Yes     bool     `help:"Put a table of a private dataset into one that is in clear."`
	Key     string   `placeholder:"COLS" help:"Columns of a UNIQUE NOT NULL index to use as the key, separated by commas."`
	IDs     string   `name:"ids" placeholder:"SCHEME" help:"Who gives out ids: shared (whoever inserts; the default), range (from a range of the node's own), rekey (the loser of a collision gets another), or with --merge append local (each node its own)."`
}

// Run watches tables and prints a verdict for each.
func (c *watchCmd) Run(ctx context.Context, a *app) error {
	switch {
	case c.All == (len(c.Tables) > 0):
		return usage("name the tables to watch, or use --all", "sqlsync tables lists them")
	case c.Key != "" && len(c.Tables) != 1:
		return usage("--key is for one table", "watch the other tables in a command of their own")
	}
	o, err := c.options(ctx)
	if err != nil {
		return err
	}
	if is, err := a.isNode(ctx); err != nil {
		return err
	} else if !is {
		verdicts, err := c.judge(ctx, a.DB[0], o)
		if err != nil || !slices.ContainsFunc(verdicts, func(v cdc.Verdict) bool { return v.Refused == nil }) {
			return cmp.Or(err, c.print(a, verdicts))
		}
	}
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	names := c.Tables
	if c.All {
		list, err := store.Tables(ctx)
		if err != nil {
			return explain(store.Path(), err)
		}
		names = unwatched(list)
	}
	verdicts, err := store.Watch(ctx, names, o)
	if perr := c.print(a, verdicts); err == nil {
		err = perr
	}
	return explain(store.Path(), err)
}

// options are what the flags say. They are looked at before the file is.
func (c *watchCmd) options(ctx context.Context) (cdc.WatchOptions, error) {
	o := cdc.WatchOptions{Policy: c.Merge, IDs: c.IDs, Columns: make(map[string]string), InClear: c.Yes}
	if c.Dataset != nil {
		if err := checkDataset(*c.Dataset); err != nil {
			return o, err
		}
		o.Dataset = *c.Dataset
	}
	if c.Key != "" {
		for _, col := range strings.Split(c.Key, ",") {
			o.Key = append(o.Key, strings.TrimSpace(col))
		}
	}
	for _, text := range c.Column {
		name, policy, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return o, usage(fmt.Sprintf("--column %q", text), "use --column COL=POLICY, such as --column stock=counter")
		}
		o.Columns[name] = policy
	}
	if err := o.Check(ctx); err != nil {
		return o, usage(err.Error(), "sqlsync watch --help lists the policies")
	}
	return o, nil
}

// judge asks of a database that is no node what could be watched: one where
// that is nothing stays as it is.
func (c *watchCmd) judge(ctx context.Context, path string, o cdc.WatchOptions) ([]cdc.Verdict, error) {
	names := c.Tables
	if c.All {
		list, err := cdc.TablesOf(ctx, path)
		if err != nil {
			return nil, explain(path, err)
		}
		names = unwatched(list)
	}
	verdicts, err := cdc.Judge(ctx, path, names, o)
	return verdicts, explain(path, err)
}

// unwatched lists the tables that are not watched yet.
func unwatched(list []cdc.TableStatus) (names []string) {
	for _, t := range list {
		if !t.Watched {
			names = append(names, t.Name)
		}
	}
	return names
}

// print gives a line per table, and complains of the refused ones.
func (c *watchCmd) print(a *app, verdicts []cdc.Verdict) error {
	type row struct {
		Table   string `json:"table"`
		Watched bool   `json:"watched"`
		Dataset string `json:"dataset,omitempty"`
		Rows    int64  `json:"rows"`
		Reason  string `json:"reason,omitempty"`
	}
	rows := []row{}
	refused, news := false, 0
	var inner, shared []string
	for _, v := range verdicts {
		r := row{Table: v.Table, Watched: v.Refused == nil, Dataset: v.Dataset, Rows: v.Rows}
		if v.Refused != nil {
			r.Reason = reason(v.Refused)
			refused = true
			if c.All && isInner(v.Refused) {
				inner = append(inner, v.Table)
			} else {
				a.complain(v.Refused)
			}
		} else {
			news++
			if v.SharedIDs && v.Before == "" {
				shared = append(shared, v.Table)
			}
			a.tell("%s: %s", cell(v.Table), c.took(v))
			if v.Before != "" && v.Before != v.Policy {
				a.say("%s waits until it is watched so on every node", cell(v.Table))
			}
			if v.InClear {
				a.say("%s is in clear from now on: its rows can be read by whoever holds or passes on dataset %s", cell(v.Table), cell(v.Dataset))
			}
		}
		rows = append(rows, r)
	}
	if len(inner) > 0 {
		a.say("left out %s of virtual tables: %s", countOf(int64(len(inner)), "inner table"), listed(inner))
	}
	if len(shared) > 0 {
		a.tell("note: two nodes that insert at the same time may give out one id in %s; --ids says how to avoid it", listed(shared))
	}
	if c.All && news == 0 {
		a.tell("nothing new to watch")
	}
	if a.JSON {
		if err := a.printJSON(rows); err != nil {
			return err
		}
	}
	if refused && !c.All {
		return errQuiet
	}
	return nil
}

// isInner reports whether a table is refused for being the inside of another.
func isInner(err error) bool {
	var refused *schema.Refusal
	return errors.As(err, &refused) && refused.Inner
}

// took says how a table is watched now.
func (c *watchCmd) took(v cdc.Verdict) string {
	rows := plural.Of(v.Rows, "row")
	switch {
	case v.Before == "":
		return fmt.Sprintf("watched in %s, %s", cell(v.Dataset), rows)
	case v.From != "":
		return fmt.Sprintf("%s, moved from %s to %s; move it on every node", rows, cell(v.From), cell(v.Dataset))
	case v.Before == v.Policy:
		return fmt.Sprintf("%s, already watched in %s", rows, cell(v.Dataset))
	}
	return fmt.Sprintf("%s, watched in %s, now merged by %s", rows, cell(v.Dataset), v.Policy)
}

// reason is why a table is refused and what to do, on one line that is beside
// the table's name.
func reason(err error) string {
	text := err.Error()
	var refused *schema.Refusal
	if errors.As(err, &refused) {
		text = refused.Cause
	}
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		text += "; " + h.Hint()
	}
	return oneLine(text)
}

type unwatchCmd struct {
	Tables []string `arg:"" name:"table" complete:"table" help:"Tables to stop watching."`
	Yes    bool     `help:"Do not ask."`
}

// Run removes capture and metadata of tables.
func (c *unwatchCmd) Run(ctx context.Context, a *app) error {
	if err := a.confirm(c.Yes, "unwatch "+strings.Join(c.Tables, ", ")); err != nil {
		return err
	}
	store, err := a.look(ctx)
	if err != nil {
		return err
	}
	if store == nil {
		return a.notWatched(ctx, nil, c.Tables)
	}
	defer store.Close()
	unknown, err := store.Unwatch(ctx, c.Tables)
	if err != nil {
		return explain(store.Path(), err)
	}
	for _, name := range c.Tables {
		if !slices.Contains(unknown, name) {
			a.tell("%s: no longer watched; its rows stay", cell(name))
		}
	}
	if len(unknown) > 0 {
		return a.notWatched(ctx, nil, unknown)
	}
	return nil
}

// notWatched is err, or that tables are not watched, with those that are and may
// have been meant.
func (a *app) notWatched(ctx context.Context, err error, names []string) error {
	if err == nil {
		err = fmt.Errorf("not watched: %s", strings.Join(names, ", "))
	}
	list, _ := a.tables(ctx) // the hint does without
	var watched []string
	for _, t := range list {
		if t.Watched {
			watched = append(watched, t.Name)
		}
	}
	meant := ""
	for _, name := range names {
		if schema.Find(watched, name) != nil && meant == "" {
			meant = suggest(name, watched)
		}
	}
	return hint(err, "%ssqlsync tables lists what is watched", meant)
}
