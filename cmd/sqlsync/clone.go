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
	"sqlsync/merge"
	"sqlsync/wire"
)

type cloneCmd struct {
	From    string        `arg:"" name:"key@host:port" help:"The remote to clone. It must know this node's key: sqlsync init --db FILE prints it."`
	File    string        `arg:"" help:"The new database file."`
	Name    string        `help:"What to call the remote; the start of its key if not given."`
	Timeout time.Duration `default:"0" help:"How long it may take; 0 is as long as it takes."`
}

// Run makes a replica: schema first, then the rows, by the same way as every
// later change.
func (c *cloneCmd) Run(ctx context.Context, a *app) error {
	if err := checkTimeout(c.Timeout); err != nil {
		return err
	}
	r, err := c.remote()
	if err != nil {
		return err
	}
	occupied := emptyFile(ctx, c.File)
	if occupied != nil && !begunFrom(ctx, c.File, r.Key) {
		return occupied
	}
	ctx, cancel := within(ctx, c.Timeout)
	defer cancel()
	m, err := a.member(ctx, c.File, lockWait)
	if err != nil {
		return err
	}
	defer m.store.Close()
	if occupied != nil {
		peers, err := m.store.Peers(ctx)
		if err != nil {
			return explain(c.File, err)
		}
		if !peers[r.Key].LastSync.IsZero() {
			return occupied
		}
		a.say("going on with a clone that was broken off")
	}
	if err := c.add(ctx, m.store, r); err != nil {
		return err
	}
	if _, err := m.readRemotes(ctx); err != nil {
		return err
	}
	return c.replicate(ctx, a, m, r)
}

// replicate fills a new file from a remote.
func (c *cloneCmd) replicate(ctx context.Context, a *app, m *member, r *cdc.Remote) error {
	if err := c.create(ctx, a, m, r); err != nil {
		return explainSync(r.Name, err, c.Timeout)
	}
	err := c.fill(ctx, a, m, r.Name)
	if nerr := m.noteSync(context.WithoutCancel(ctx), *r, err); nerr != nil {
		m.log.Warn("note the state of a peer", "peer", r.Name, "err", nerr)
	}
	if err != nil {
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
	return r, nil
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

// create makes the tables of every dataset that the remote lets us have: those
// that a ticket named, or all that it tells of.
func (c *cloneCmd) create(ctx context.Context, a *app, m *member, r *cdc.Remote) error {
	list := r.Datasets
	if list == nil {
		list = []string{cdc.DefaultDataset}
	}
	for i := 0; i < len(list); i++ {
		s, err := m.node.Schema(ctx, r.Name, list[i])
		if err != nil {
			return err
		}
		for _, d := range s.Datasets {
			if i == 0 && r.Datasets == nil && d != cdc.DefaultDataset {
				list = append(list, d)
			}
		}
		if err := c.createTables(ctx, a, m, list[i], s); err != nil {
			return err
		}
	}
	return nil
}

func (c *cloneCmd) createTables(ctx context.Context, a *app, m *member, dataset string, s *wire.Schema) error {
	skipped, err := m.store.Create(ctx, dataset, s)
	for _, q := range skipped {
		first, _, _ := strings.Cut(q, "\n")
		a.say("left out a trigger that needs what is not in the clone: %s", first)
	}
	return err
}

// fill brings the rows, telling now and then how far it is.
func (c *cloneCmd) fill(ctx context.Context, a *app, m *member, remote string) error {
	done := make(chan struct{})
	var told group
	told.Go(func() { a.progress(ctx, m, remote, done) })
	err := m.node.Sync(ctx, remote)
	close(done)
	told.Wait()
	return err
}

func (c *cloneCmd) report(ctx context.Context, a *app, m *member) error {
	tables, err := m.store.Tables(ctx)
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
		return a.printJSON(map[string]any{"file": c.File, "key": nodeKey(m.store.Node()), "tables": watched, "rows": rows})
	}
	a.printf("cloned %d tables, %d rows into %s\n", watched, rows, c.File)
	return nil
}
