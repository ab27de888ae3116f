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
	Dataset *string  `complete:"dataset" help:"Only changes of this dataset; without it, of all."`
	Table   []string `sep:"none" complete:"table" help:"Only changes to this table; may be repeated."`
	Key     string   `help:"Only the row with this key; with several key columns, values separated by commas."`
	Origin  string   `help:"Only changes from this node: its key, the start of it, or a remote's name."`
	Limit   int      `default:"100" help:"How many changes to show, the last ones; 0 is all. With --follow, of each dataset."`
	Since   string   `help:"Only changes since this time (2006-01-02, 2006-01-02T15:04:05Z) or so long ago (90m, 24h)."`
	Follow  bool     `short:"f" help:"Go on with changes as they come."`
	Cursor  []string `sep:"none" help:"Start behind this cursor, as an earlier log printed it with --json, in its dataset alone; may be repeated, once for each dataset."`

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
	start, err := c.start()
	if err != nil {
		return err
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
	p := &logPrinter{a: a, node: store.Node(), mine: store.Mine, out: bufio.NewWriter(a.stdout), keep: func(e *cdc.Entry) bool { return c.wants(e, since) }}
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

// start are the cursors that were given.
func (c *logCmd) start() (list []cdc.Cursor, err error) {
	for _, s := range c.Cursor {
		at, err := cdc.ParseCursor(s)
		if err != nil {
			return nil, usage(err.Error(), "take it from the cursor field of log --json")
		}
		if slices.ContainsFunc(list, func(x cdc.Cursor) bool { return x.Dataset == at.Dataset }) {
			return nil, usage(fmt.Sprintf("two cursors of dataset %s", at.Dataset), "give the later one")
		}
		list = append(list, at)
	}
	return list, nil
}

// cursors are where to begin in each dataset that is wanted: the cursors', the
// one named, or all.
func (c *logCmd) cursors(store *cdc.Store, start []cdc.Cursor) ([]cdc.Cursor, error) {
	if start != nil {
		return start, nil
	}
	all := store.Datasets()
	var list []cdc.Cursor
	for _, d := range all {
		if c.Dataset == nil || *c.Dataset == d {
			list = append(list, cdc.Cursor{Dataset: d})
		}
	}
	if len(list) == 0 && c.Dataset != nil {
		return nil, noDataset(*c.Dataset, all)
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
	case c.Table != nil && !slices.ContainsFunc(c.Table, func(t string) bool { return schema.Same(t, e.Table) }),
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

// streams says that everything behind the cursors is printed as it is read: a
// reader of a feed may be slow, and take up the last cursor that it has seen.
func (c *logCmd) streams() bool { return c.Cursor != nil || c.Follow && c.Limit == 0 }

// past prints what is held: the last Limit changes, by time, or all behind a
// cursor. What a feed begins with stays in the order in which it came to be
// held, for its cursors to be taken up. The cursors move to the end.
func (c *logCmd) past(ctx context.Context, store *cdc.Store, cursors []cdc.Cursor, p *logPrinter) error {
	limit := c.Limit
	if c.streams() {
		limit = 0
	}
	var last []cdc.Entry
	for i := range cursors {
		part, err := c.tail(ctx, store, &cursors[i], limit, p)
		if err != nil {
			return err
		}
		last = append(last, lastOf(part, limit)...)
	}
	if !c.Follow {
		slices.SortStableFunc(last, func(a, b cdc.Entry) int { return cmp.Compare(a.Change.HLC, b.Change.HLC) })
		last = lastOf(last, limit)
	}
	for i := range last {
		if err := p.print(&last[i]); err != nil {
			return err
		}
	}
	return p.out.Flush()
}

func lastOf(list []cdc.Entry, limit int) []cdc.Entry {
	if limit > 0 && len(list) > limit {
		return list[len(list)-limit:]
	}
	return list
}

// tail reads a dataset from its cursor on and returns the last changes that
// are wanted. What streams it prints as it goes.
func (c *logCmd) tail(ctx context.Context, store *cdc.Store, after *cdc.Cursor, limit int, p *logPrinter) ([]cdc.Entry, error) {
	filtered := c.Table != nil || c.Key != "" || c.Origin != "" || c.Since != ""
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
		if c.streams() {
			return p.print(e)
		}
		if last = append(last, *e); limit > 0 && len(last) >= 2*limit {
			last = append(last[:0], last[len(last)-limit:]...)
		}
		return nil
	})
	return last, err
}

// joined adds the datasets that were made since, if all are wanted.
func (c *logCmd) joined(store *cdc.Store, cursors []cdc.Cursor) []cdc.Cursor {
	if c.Cursor != nil || c.Dataset != nil {
		return cursors
	}
	for _, d := range store.Datasets() {
		if !slices.ContainsFunc(cursors, func(x cdc.Cursor) bool { return x.Dataset == d }) {
			cursors = append(cursors, cdc.Cursor{Dataset: d})
		}
	}
	return cursors
}

// follow prints changes as they come to be held, by this process or another.
func (c *logCmd) follow(ctx context.Context, store *cdc.Store, cursors []cdc.Cursor, p *logPrinter, grown <-chan struct{}) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var all group
	defer all.Wait()
	defer cancel(nil)
	all.Go(func() { cancel(store.Watchdog(ctx)) }) // it ends with ctx, or the store
	for done := false; ; {
		cursors = c.joined(store, cursors)
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
