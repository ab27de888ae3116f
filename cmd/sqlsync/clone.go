package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
	"sqlsync/merge"
	"sqlsync/replicate/mesh"
)

type cloneCmd struct {
	From    string        `arg:"" name:"key@host:port" help:"The remote to clone. It must know this node's key: sqlsync init --db FILE prints it."`
	File    string        `arg:"" help:"The new database file."`
	Name    string        `help:"What to call the remote; the start of its key if not given."`
	Timeout time.Duration `default:"0" help:"How long it may take; 0 is as long as it takes."`

	// told says that the remote is to be told this node's key, which stays.
	told bool
}

// Run makes a replica: schema first, then the rows, by the same way as every
// later change. Of one that could not even begin nothing stays.
func (c *cloneCmd) Run(ctx context.Context, a *app) error {
	if err := checkTimeout(c.Timeout); err != nil {
		return err
	}
	r, err := c.remote()
	if err != nil {
		return err
	}
	isNew := fresh(c.File)
	if err = c.clone(ctx, a, r); err != nil && isNew && !c.told {
		return errors.Join(err, discard(ctx, c.File))
	}
	return err
}

func (c *cloneCmd) clone(ctx context.Context, a *app, r *cdc.Remote) error {
	occupied := emptyFile(ctx, c.File)
	if occupied != nil && !begunFrom(ctx, c.File, r.Key) {
		return occupied
	}
	ctx, cancel := within(ctx, c.Timeout)
	defer cancel()
	m, err := a.member(ctx, c.File)
	if err != nil {
		return err
	}
	defer m.Store.Close()
	if occupied != nil {
		peers, err := m.Store.Peers(ctx)
		if err != nil {
			return explain(c.File, err)
		}
		if !peers[r.Key].LastSync.IsZero() {
			return occupied
		}
		a.say("going on with a clone that was broken off")
	}
	if err := c.add(ctx, m.Store, r); err != nil {
		return err
	}
	if _, err := m.Reload(ctx); err != nil {
		return err
	}
	return c.replicate(ctx, a, m, r)
}

// replicate fills a new file from a remote.
func (c *cloneCmd) replicate(ctx context.Context, a *app, m *mesh.Member, r *cdc.Remote) error {
	if err := c.fill(ctx, a, m, r.Name); err != nil {
		var unknown *mesh.UnknownHereError
		c.told = errors.As(err, &unknown)
		return explainSync(r.Name, err, c.Timeout)
	}
	return c.report(ctx, a, m)
}

// add adds the remote, or takes the one that an earlier try has added.
func (c *cloneCmd) add(ctx context.Context, store *cdc.Store, r *cdc.Remote) error {
	list, err := store.Remotes(ctx)
	if err != nil {
		return err
	}
	for _, have := range list {
		if have.Key != r.Key || have.Name == r.Name {
			continue
		}
		if err := store.RemoveRemote(ctx, have.Name); err != nil {
			return err
		}
	}
	return store.AddRemote(ctx, *r)
}

// remote reads KEY@HOST:PORT.
func (c *cloneCmd) remote() (*cdc.Remote, error) {
	text, addr, ok := strings.Cut(c.From, "@")
	if !ok {
		return nil, usage(fmt.Sprintf("%q is not KEY@HOST:PORT", c.From), "for example sqlsync1…@192.168.1.20:7117")
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, err
	}
	if err := (&remoteFlags{Addr: []string{addr}}).check(); err != nil {
		return nil, err
	}
	r := &cdc.Remote{Name: c.Name, Key: key, Addrs: []string{addr}, Pull: true, Push: true}
	if r.Name == "" {
		r.Name = short(key)
	}
	return r, checkName(r.Name)
}

// emptyFile makes sure that a file is missing or holds no application's tables.
func emptyFile(ctx context.Context, path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := cdc.CreateFile(ctx, path); err != nil {
			return hint(fmt.Errorf("create %s: %w", path, err), "check that the folder exists and can be written to")
		}
		return nil
	}
	n, err := cdc.CountTables(ctx, path)
	if err != nil {
		return explain(path, err)
	}
	if n > 0 {
		return hint(fmt.Errorf("%s already holds tables", path), "clone into a new file; to join with data, watch the tables and add each other as remotes")
	}
	return nil
}

// begunFrom reports whether a file is a node that knows a remote: a clone that
// was broken off may have made its tables, or all of it.
func begunFrom(ctx context.Context, path string, key merge.NodeID) bool {
	e, err := cdc.Examine(ctx, path)
	return err == nil && e.IsNode && slices.ContainsFunc(e.Remotes, func(r cdc.Remote) bool { return r.Key == key })
}

// fill brings tables and rows, telling now and then how far it is.
func (c *cloneCmd) fill(ctx context.Context, a *app, m *mesh.Member, remote string) error {
	done := make(chan struct{})
	var told group
	told.Go(func() { a.progress(ctx, m, remote, done) })
	skipped, err := m.Clone(ctx, remote)
	close(done)
	told.Wait()
	for _, q := range skipped {
		first, _, _ := strings.Cut(q, "\n")
		a.say("left out a trigger that needs what is not in the clone: %s", first)
	}
	return err
}

func (c *cloneCmd) report(ctx context.Context, a *app, m *mesh.Member) error {
	tables, err := m.Store.Tables(ctx)
	if err != nil {
		return err
	}
	var rows int64
	watched := 0
	for _, t := range tables {
		if t.Watched {
			watched++
			rows += t.Rows
		}
	}
	if a.JSON {
		return a.printJSON(map[string]any{"file": c.File, "key": nodeKey(m.Store.Node()), "tables": watched, "rows": rows})
	}
	a.printf("cloned %s, %s into %s\n", plural.Of(watched, "table"), plural.Of(rows, "row"), c.File)
	return nil
}
