package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/schema"
)

type logCmd struct {
	Dataset *string `help:"Only changes of this dataset; without it, of all."`
	Table   string  `help:"Only changes to this table."`
	Key     string  `help:"Only the row with this key; with several key columns, values separated by commas."`
	Origin  string  `help:"Only changes from this node: its key, the start of it, or a remote's name."`
	Limit   int     `default:"100" help:"How many changes to show, the last ones; 0 is all."`
	Since   string  `help:"Only changes since this time (2006-01-02, 2006-01-02T15:04:05Z) or so long ago (90m, 24h)."`
	Follow  bool    `short:"f" help:"Go on with changes as they come."`
	Cursor  string  `help:"Start behind this cursor, as an earlier log printed it with --json."`

	origins map[merge.NodeID]bool
}

// Run prints sealed changes, the newest last.
func (c *logCmd) Run(ctx context.Context, a *app) error {
	since, err := c.since(time.Now())
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	var start cdc.Cursor
	if c.Cursor != "" {
		if start, err = cdc.ParseCursor(c.Cursor); err != nil {
			return usage(err.Error(), "take it from the cursor field of log --json")
		}
	}
	if c.Follow {
		if err := a.awaitNode(ctx); err != nil {
			return err
		}
	}
	store, err := a.look(ctx)
	if err != nil {
		return err
	}
	if store == nil {
		return c.nothing(ctx, a)
	}
	defer store.Close()
	if err := c.find(ctx, store); err != nil {
		return explain(store.Path(), err)
	}
	cursors, err := c.cursors(store, start)
	if err != nil {
		return err
	}
	p := &logPrinter{a: a, mine: store.Mine, out: bufio.NewWriter(a.stdout), keep: func(e *cdc.Entry) bool { return c.wants(e, since) }}
	grown, stop := store.Stream(cdc.DefaultDataset).Subscribe()
	defer stop()
	past := ctx
	if c.Follow { // what is sealed is printed, also when it is stopped at once
		past = context.WithoutCancel(ctx)
	}
	if err := c.past(past, store, cursors, p); err != nil || !c.Follow {
		return explain(store.Path(), err)
	}
	return explain(store.Path(), c.follow(ctx, store, cursors, p, grown))
}

// cursors are where to begin in each dataset that is wanted: a cursor's, the
// one named, or all.
func (c *logCmd) cursors(store *cdc.Store, start cdc.Cursor) ([]cdc.Cursor, error) {
	if start.Dataset != "" {
		return []cdc.Cursor{start}, nil
	}
	all := store.Datasets()
	var list []cdc.Cursor
	for _, d := range all {
		if c.Dataset == nil || *c.Dataset == d {
			list = append(list, cdc.Cursor{Dataset: d})
		}
	}
	if len(list) == 0 && c.Dataset != nil {
		return nil, hint(fmt.Errorf("no dataset %q", *c.Dataset), "the datasets are: %s", strings.Join(all, ", "))
	}
	return list, nil
}

func (c *logCmd) since(now time.Time) (merge.HLC, error) {
	if c.Since == "" {
		return 0, nil
	}
	if d, err := time.ParseDuration(c.Since); err == nil {
		return merge.At(now.Add(-d)), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, c.Since); err == nil {
			return merge.At(t), nil
		}
	}
	return 0, usage(fmt.Sprintf("--since %q is no time", c.Since), "use 2006-01-02, 2006-01-02T15:04:05Z, or a span such as 90m")
}

func (c *logCmd) wants(e *cdc.Entry, since merge.HLC) bool {
	switch {
	case c.Table != "" && !schema.Same(c.Table, e.Table),
		c.Origin != "" && !c.origins[e.Origin],
		e.Change.HLC < since:
		return false
	case c.Key != "":
		parts := make([]string, len(e.Change.Key))
		for i, v := range e.Change.Key {
			if s, ok := v.(string); ok {
				parts[i] = s
			} else {
				parts[i] = text(v, textShown)
			}
		}
		return strings.Join(parts, ",") == c.Key
	}
	return true
}

// past prints what is held, by time: the last Limit changes, or all behind a
// cursor. The cursors move to the end.
func (c *logCmd) past(ctx context.Context, store *cdc.Store, cursors []cdc.Cursor, p *logPrinter) error {
	limit := c.Limit
	if c.Cursor != "" {
		limit = 0
	}
	var last []cdc.Entry
	for i := range cursors {
		part, err := c.tail(ctx, store, &cursors[i], limit, p)
		if err != nil {
			return err
		}
		last = append(last, part...)
	}
	slices.SortStableFunc(last, func(a, b cdc.Entry) int { return cmp.Compare(a.Change.HLC, b.Change.HLC) })
	if limit > 0 && len(last) > limit {
		last = last[len(last)-limit:]
	}
	for i := range last {
		if err := p.print(&last[i]); err != nil {
			return err
		}
	}
	return p.out.Flush()
}

// tail reads a dataset from its cursor on and returns the last changes that
// are wanted. Behind a cursor of the user's it prints them as it goes.
func (c *logCmd) tail(ctx context.Context, store *cdc.Store, after *cdc.Cursor, limit int, p *logPrinter) ([]cdc.Entry, error) {
	filtered := c.Table != "" || c.Key != "" || c.Origin != "" || c.Since != ""
	if limit > 0 && !filtered {
		from, err := store.Tail(ctx, after.Dataset, limit)
		if err != nil {
			return nil, err
		}
		*after = from
	}
	var last []cdc.Entry
	err := store.Log(ctx, *after, func(e *cdc.Entry) error {
		*after = e.Cursor
		if !p.keep(e) {
			return nil
		}
		if c.Cursor != "" {
			return p.print(e)
		}
		if last = append(last, *e); limit > 0 && len(last) >= 2*limit {
			last = append(last[:0], last[len(last)-limit:]...)
		}
		return nil
	})
	return last, err
}

// follow prints changes as they come to be held, by this process or another.
func (c *logCmd) follow(ctx context.Context, store *cdc.Store, cursors []cdc.Cursor, p *logPrinter, grown <-chan struct{}) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var all group
	defer all.Wait()
	defer cancel(nil)
	all.Go(func() { cancel(store.Watchdog(ctx)) }) // it ends with ctx, or the store
	for done := false; ; {
		for i := range cursors { // once more after the end: what is sealed is printed
			err := store.Log(context.WithoutCancel(ctx), cursors[i], func(e *cdc.Entry) error {
				cursors[i] = e.Cursor
				if !p.keep(e) {
					return nil
				}
				return p.print(e)
			})
			if cause := context.Cause(ctx); cdc.Ended(cause) {
				err = explainEnded(store.Path(), cause)
			}
			if err := errors.Join(err, p.out.Flush()); err != nil {
				return err
			}
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			done = true
		case <-grown:
		}
	}
}
