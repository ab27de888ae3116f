package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sqlsync/cdc"
	"sqlsync/replicate/mesh"
	"sqlsync/schema"
)

type hookCmd struct {
	Add    hookAddCmd    `cmd:"" help:"Have serve give every change to a command or a URL."`
	List   hookListCmd   `cmd:"" help:"List the hooks and how they fare."`
	Remove hookRemoveCmd `cmd:"" help:"Remove a hook."`
}

type hookAddCmd struct {
	Name     string        `arg:"" help:"What to call the hook."`
	Exec     string        `xor:"to" placeholder:"COMMAND" help:"Command of the shell that gets the changes of a batch on its standard input, a line of JSON each."`
	URL      string        `name:"url" xor:"to" placeholder:"URL" help:"Where the changes of a batch are posted, a line of JSON each."`
	Dataset  string        `complete:"dataset" help:"Only changes of this dataset."`
	Table    string        `complete:"table" help:"Only changes to this table."`
	Timeout  time.Duration `default:"30s" help:"How long one call may take."`
	Backfill bool          `help:"Begin with what is held already, not with what comes from now on."`
}

// Run adds a hook.
func (c *hookAddCmd) Run(ctx context.Context, a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	if c.Dataset != "" && !slices.Contains(store.Datasets(), c.Dataset) {
		return noDataset(c.Dataset, store.Datasets())
	}
	if c.Table != "" {
		known, err := store.LogTables(ctx)
		if err != nil {
			return err
		}
		if err := schema.Find(known, c.Table); err != nil {
			return err
		}
	}
	h := &cdc.Hook{Name: c.Name, Command: c.Exec, URL: c.URL, Dataset: c.Dataset, Table: c.Table, Timeout: c.Timeout}
	err = store.AddHook(ctx, h, c.Backfill)
	switch {
	case errors.Is(err, cdc.ErrHookExists):
		return hint(err, "sqlsync hook remove %s comes first", c.Name)
	case err != nil:
		return explain(store.Path(), err)
	}
	if !mesh.Served(store.Path()) {
		a.say("sqlsync serve is not running here: it carries hooks out")
	}
	secret := ""
	if c.URL != "" {
		secret = store.HookSecret(h)
	}
	if a.JSON {
		return a.printJSON(map[string]string{"name": c.Name, "secret": secret})
	}
	if secret != "" {
		a.printf("secret %s\n", secret)
	}
	return nil
}

func (c *hookAddCmd) check() error {
	switch {
	case c.Name == "":
		return usage("the name is empty", "give the hook a name")
	case (c.Exec == "") == (c.URL == ""):
		return usage("a hook needs --exec COMMAND or --url URL", "for example --exec 'cat >> changes.ndjson'")
	case c.Timeout <= 0:
		return usage("--timeout has to be more than nothing", "leave it out for 30s")
	case c.URL == "":
		return nil
	}
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return usage("--url is not an address of HTTP", "for example --url https://example.org/changes")
	}
	return nil
}

type hookListCmd struct{}

type hookRow struct {
	Name    string  `json:"name"`
	Exec    string  `json:"exec,omitempty"`
	URL     string  `json:"url,omitempty"`
	Dataset string  `json:"dataset"`
	Table   string  `json:"table"`
	Timeout float64 `json:"timeout"`
	State   string  `json:"state"`
	Error   string  `json:"error"`
	Since   string  `json:"since"`
}

// Run lists the hooks.
func (hookListCmd) Run(ctx context.Context, a *app) error {
	store, err := a.look(ctx)
	if err != nil {
		return err
	}
	rows := []hookRow{}
	if store != nil {
		defer store.Close()
		list, err := store.Hooks(ctx)
		if err != nil {
			return err
		}
		for i := range list {
			rows = append(rows, hookRowOf(&list[i]))
		}
	}
	if a.JSON {
		return a.printJSON(rows)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tTO\tDATASET\tTABLE\tSTATE")
	for _, r := range rows {
		state := r.State
		if r.Error != "" {
			state += " since " + r.Since + ": " + oneLine(r.Error)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", cell(r.Name), cell(r.Exec+r.URL), cmp.Or(r.Dataset, "all"), cmp.Or(cell(r.Table), "all"), state)
	}
	return w.Flush()
}

func hookRowOf(h *cdc.Hook) hookRow {
	r := hookRow{Name: h.Name, Exec: h.Command, URL: h.URL, Dataset: h.Dataset, Table: h.Table, Timeout: h.Timeout.Seconds(), State: "ok", Error: h.Error}
	if u, err := url.Parse(h.URL); err == nil {
		r.URL = u.Redacted()
	}
	if h.Error != "" {
		r.State, r.Since = "failing", h.Since.Format(time.RFC3339)
	}
	if !h.Trusted {
		r.State = "not carried out: it was not added by sqlsync with this node's key"
	}
	return r
}

type hookRemoveCmd struct {
	Name string `arg:"" help:"The hook."`
}

// Run removes a hook.
func (c *hookRemoveCmd) Run(ctx context.Context, a *app) error {
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	err = store.RemoveHook(ctx, c.Name)
	if !errors.Is(err, cdc.ErrNoHook) {
		return explain(store.Path(), err)
	}
	list, lerr := store.Hooks(ctx)
	if lerr != nil {
		return lerr
	}
	names := make([]string, len(list))
	for i, h := range list {
		names[i] = h.Name
	}
	if len(names) == 0 {
		return hint(err, "there are none: sqlsync hook add NAME adds one")
	}
	return hint(err, "%sthe hooks are: %s", suggest(c.Name, names), strings.Join(names, ", "))
}
