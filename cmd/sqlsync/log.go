package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
)

type logCmd struct {
	Dataset string `default:"primary" help:"Dataset whose changes to show."`
	Table   string `help:"Only changes to this table."`
	Key     string `help:"Only the row with this key; with several key columns, values separated by commas."`
	Origin  string `help:"Only changes from this node: its key, or the start of it."`
	Limit   int    `default:"100" help:"How many changes to show, the last ones; 0 is all."`
	Since   string `help:"Only changes since this time (2006-01-02, 2006-01-02T15:04:05Z) or so long ago (90m, 24h)."`
	Follow  bool   `short:"f" help:"Go on with changes as they come."`
	Cursor  string `help:"Start behind this cursor, as an earlier log printed it with --json."`
}

// Run prints sealed changes, the newest last.
func (c *logCmd) Run(ctx context.Context, a *app) error {
	since, err := c.since(time.Now())
	if err != nil {
		return err
	}
	after := cdc.Cursor{Dataset: c.Dataset}
	if c.Cursor != "" {
		if after, err = cdc.ParseCursor(c.Cursor); err != nil {
			return usage(err.Error(), "take it from the cursor field of log --json")
		}
	}
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	p := &logPrinter{a: a, self: store.Node(), out: bufio.NewWriter(a.stdout), keep: func(e *cdc.Entry) bool { return c.wants(e, since) }}
	grown, stop := store.Stream(after.Dataset).Subscribe()
	defer stop()
	if err := c.past(ctx, store, &after, p); err != nil || !c.Follow {
		return err
	}
	return c.follow(ctx, store, after, p, grown)
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
	case c.Table != "" && !strings.EqualFold(c.Table, e.Table),
		c.Origin != "" && !strings.HasPrefix(nodeKey(e.Origin), c.Origin),
		e.Change.HLC < since:
		return false
	case c.Key != "":
		parts := make([]string, len(e.Change.Key))
		for i, v := range e.Change.Key {
			if s, ok := v.(string); ok {
				parts[i] = s
			} else {
				parts[i] = text(v)
			}
		}
		return strings.Join(parts, ",") == c.Key
	}
	return true
}

// past prints what is held: the last Limit changes, or all behind a cursor.
func (c *logCmd) past(ctx context.Context, store *cdc.Store, after *cdc.Cursor, p *logPrinter) error {
	filtered := c.Table != "" || c.Key != "" || c.Origin != "" || c.Since != ""
	if c.Cursor == "" && c.Limit > 0 && !filtered {
		tail, err := store.Tail(ctx, after.Dataset, c.Limit)
		if err != nil {
			return err
		}
		*after = tail
	}
	limit := c.Limit
	if c.Cursor != "" {
		limit = 0
	}
	var last []cdc.Entry
	err := store.Log(ctx, *after, func(e *cdc.Entry) error {
		*after = e.Cursor
		if !p.keep(e) {
			return nil
		}
		if limit == 0 {
			return p.print(e)
		}
		if last = append(last, *e); len(last) >= 2*limit {
			last = append(last[:0], last[len(last)-limit:]...)
		}
		return nil
	})
	for i := max(0, len(last)-limit); i < len(last) && err == nil; i++ {
		err = p.print(&last[i])
	}
	return errors.Join(err, p.out.Flush())
}

// follow prints changes as they come to be held, by this process or another.
func (c *logCmd) follow(ctx context.Context, store *cdc.Store, after cdc.Cursor, p *logPrinter, grown <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all group
	defer all.Wait()
	all.Go(func() { _ = store.Watchdog(ctx) })
	for {
		err := store.Log(ctx, after, func(e *cdc.Entry) error {
			after = e.Cursor
			if !p.keep(e) {
				return nil
			}
			return p.print(e)
		})
		if err := errors.Join(err, p.out.Flush()); err != nil {
			cancel()
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-grown:
		}
	}
}

type logPrinter struct {
	a    *app
	self merge.NodeID
	out  *bufio.Writer
	keep func(*cdc.Entry) bool
}

type logLine struct {
	Cursor   string    `json:"cursor"`
	Dataset  string    `json:"dataset"`
	Origin   string    `json:"origin"`
	Seq      uint64    `json:"seq"`
	HLC      merge.HLC `json:"hlc"`
	Time     string    `json:"time"`
	Table    string    `json:"table"`
	Op       string    `json:"op"`
	Key      row       `json:"key"`
	Values   row       `json:"values"`
	Local    bool      `json:"local"`
	Baseline bool      `json:"baseline,omitempty"`
}

func (p *logPrinter) print(e *cdc.Entry) error {
	l := logLine{
		Cursor: e.Cursor.String(), Dataset: e.Cursor.Dataset, Origin: crypto.PublicKey(e.Origin).String(), Seq: e.Seq,
		HLC: e.Change.HLC, Time: e.Change.HLC.Time().Format("2006-01-02T15:04:05.000Z"), Table: e.Table,
		Op: e.Change.Op.String(), Key: row{}, Values: row{}, Local: e.Origin == p.self, Baseline: e.Change.Baseline,
	}
	for i, v := range e.Change.Key {
		l.Key = append(l.Key, column{e.Key[i], v})
	}
	for i, v := range e.Change.Values {
		l.Values = append(l.Values, column{e.Columns[i], v})
	}
	if p.a.JSON {
		b, err := json.Marshal(l)
		if err != nil {
			return err
		}
		_, err = p.out.Write(append(b, '\n'))
		return err
	}
	_, err := fmt.Fprintf(p.out, "%s  %s  %-6s  %s  %s  %s\n", l.Time, short(e.Origin), l.Op, l.Table, l.Key, l.Values)
	return err
}

// String lists the columns for people.
func (r row) String() string {
	parts := make([]string, len(r))
	for i, c := range r {
		parts[i] = c.name + "=" + text(c.value)
	}
	return strings.Join(parts, " ")
}
