package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/replicate"
	"sqlsync/replicate/mesh"
)

type joinCmd struct {
	Ticket  string        `arg:"" help:"What sqlsync invite printed on the other node; - reads it from standard input, where other users do not see it."`
	Name    string        `help:"What to call that node; the start of its key if not given."`
	Prefer  string        `enum:"mine,theirs" default:"theirs" help:"Whose row stands where both nodes had it before they met and it differs: mine or theirs."`
	Timeout time.Duration `default:"0" help:"How long it may take; 0 is as long as it takes."`

	proved bool // the inviter knows this node
}

// Run adds each other as remotes. A database that is new becomes a replica, of
// which nothing stays where the ticket was of no use; one that has tables is
// brought to the same state as the inviter's.
func (c *joinCmd) Run(ctx context.Context, a *app) error {
	path, err := a.path()
	if err != nil {
		return err
	}
	t, err := c.ticket(a)
	if err != nil {
		return err
	}
	if c.Name != "" {
		if err := checkName(c.Name); err != nil {
			return err
		}
	}
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	none := fresh(path)
	if err = c.join(ctx, a, path, t); err != nil && none && !c.proved {
		return errors.Join(err, discard(ctx, path))
	}
	return err
}

func (c *joinCmd) join(ctx context.Context, a *app, path string, t *crypto.Ticket) error {
	isNew, err := newFile(ctx, path)
	if err != nil {
		return err
	}
	m, err := a.member(ctx, path)
	if err != nil {
		return err
	}
	defer m.Store.Close()
	r, err := c.add(ctx, a, m, t)
	if err != nil {
		return err
	}
	switch {
	case t.Relay:
		return c.reportRelay(a, m, r)
	case isNew:
		return (&cloneCmd{File: path, Timeout: c.Timeout}).replicate(ctx, a, m, r)
	}
	return c.meet(ctx, a, m, r)
}

func (c *joinCmd) ticket(a *app) (*crypto.Ticket, error) {
	text := c.Ticket
	if text == "-" {
		b, err := io.ReadAll(io.LimitReader(a.stdin, 1<<16))
		if err != nil {
			return nil, fmt.Errorf("read ticket: %w", err)
		}
		text = string(b)
	}
	t, err := crypto.ParseTicket(text)
	if err != nil {
		return nil, usage(err.Error(), "sqlsync invite prints a ticket on the other node")
	}
	if now := time.Now(); !now.Before(t.Expires) {
		return nil, hint(fmt.Errorf("the ticket expired at %s; it is %s here", t.Expires.Local().Format(time.DateTime), now.Format(time.DateTime)),
			"ask for another: sqlsync invite on the other node")
	}
	return t, nil
}

// newFile reports whether a database is to be made of what the inviter has, and
// makes the file.
func newFile(ctx context.Context, path string) (bool, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return true, emptyFile(ctx, path)
	}
	n, err := cdc.CountTables(ctx, path)
	return n == 0, explain(path, err)
}

// add proves the ticket's secret to the inviter, who has this node as a remote
// from then on, and adds the inviter here.
func (c *joinCmd) add(ctx context.Context, a *app, m *mesh.Member, t *crypto.Ticket) (*cdc.Remote, error) {
	if merge.NodeID(t.Key) == m.Store.Node() {
		return nil, hint(errors.New("the ticket is this node's own"), "use it on the machine that is to join")
	}
	r, err := c.remote(ctx, m.Store, t)
	if err != nil {
		return nil, err
	}
	if err := a.takeKeys(ctx, m.Store, t.Keys); err != nil {
		return nil, err
	}
	if t.Relay {
		for _, name := range t.Datasets {
			if _, err := a.relay(ctx, m.Store, name, false); err != nil {
				return nil, err
			}
		}
	}
	reached, err := prove(ctx, m.Identity, t)
	if err != nil {
		return nil, err
	}
	c.proved = true
	r.Key = merge.NodeID(t.Key)
	r.Addrs = append([]string{reached}, slices.DeleteFunc(slices.Clone(t.Addrs), func(s string) bool { return s == reached })...)
	if err := m.Store.AddRemote(ctx, *r); err != nil {
		return nil, explain(m.Store.Path(), err)
	}
	_, err = m.Reload(ctx)
	return r, err
}

// remote is the inviter as it will be known here. One that is known already
// keeps its name. Whether the name is free is asked before the ticket is used.
func (c *joinCmd) remote(ctx context.Context, store *cdc.Store, t *crypto.Ticket) (*cdc.Remote, error) {
	r := &cdc.Remote{Name: c.Name, Key: merge.NodeID(t.Key), Datasets: t.Datasets, Pull: true, Push: true}
	list, err := store.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	for _, have := range list {
		switch {
		case have.Key == r.Key:
			r.Name = have.Name
			return r, nil
		case have.Name == c.Name:
			return nil, hint(fmt.Errorf("%w: %q", cdc.ErrRemoteExists, c.Name), "choose another --name; sqlsync remote list shows the remotes")
		}
	}
	if r.Name == "" {
		r.Name = short(r.Key)
	}
	return r, nil
}

// proveWithin is how long one address may take.
const proveWithin = 5 * time.Second

// prove connects to the ticket's node at the first of its addresses that leads
// there, and returns that one.
func prove(ctx context.Context, id *crypto.Identity, t *crypto.Ticket) (reached string, err error) {
	var refused, unreachable error
	for _, addr := range t.Addrs {
		err := proveAt(ctx, id, t, addr)
		switch {
		case err == nil:
			return addr, nil
		case ctx.Err() != nil:
			return "", hint(fmt.Errorf("join at %s: %w", addr, err), "allow more --timeout")
		case errors.Is(err, crypto.ErrRefused), errors.Is(err, crypto.ErrUnauthenticated):
			refused = hint(fmt.Errorf("the ticket was refused at %s: it was used or withdrawn, or the address is another node's now", addr),
				"ask for another: sqlsync invite on the other node")
		default:
			unreachable = errors.Join(unreachable, err)
		}
	}
	if refused != nil {
		return "", refused
	}
	return "", hint(fmt.Errorf("nobody answers: %w", unreachable),
		"check that sqlsync serve --listen runs on the other node and that this machine can reach it, or ask for a ticket with another --addr")
}

// proveAt gives the ticket the inviter's present key, if that is another by now.
func proveAt(ctx context.Context, id *crypto.Identity, t *crypto.Ticket, addr string) error {
	for hop := 0; ; hop++ {
		d := net.Dialer{Timeout: proveWithin}
		raw, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		// The handshake may take longer: the inviter writes to its database in it.
		c, err := crypto.Client(ctx, raw, id, t.Key, t.Secret.Proof(), crypto.Options{})
		if err == nil {
			return c.Close()
		}
		var moved *crypto.MovedError
		if !errors.As(err, &moved) || hop == 16 {
			return err
		}
		t.Key = moved.New
	}
}

// meet brings a database that has tables and the inviter's to the same state.
func (c *joinCmd) meet(ctx context.Context, a *app, m *mesh.Member, r *cdc.Remote) error {
	prefer, err := newPreference(ctx, c.Prefer, m.Store)
	if err != nil {
		return err
	}
	err = m.Sync(ctx, r.Name)
	if errors.Is(err, replicate.ErrNoDataset) {
		err = nil // nothing to exchange yet
	}
	if err != nil {
		return explainSync(r.Name, err, c.Timeout)
	}
	n, err := prefer.enforce(ctx)
	if err != nil {
		return explain(m.Store.Path(), err)
	}
	if n > 0 {
		if err := m.Sync(ctx, r.Name); err != nil {
			return explainSync(r.Name, err, c.Timeout)
		}
	}
	return c.report(ctx, a, m, r, n)
}

// reportRelay says what a node passes on that has no tables to fill.
func (c *joinCmd) reportRelay(a *app, m *mesh.Member, r *cdc.Remote) error {
	if a.JSON {
		return a.printJSON(map[string]any{"remote": r.Name, "key": nodeKey(m.Store.Node()), "relays": r.Datasets})
	}
	a.printf("joined %s to hold and pass on %s\n", r.Name, listed(r.Datasets))
	return nil
}

func (c *joinCmd) report(ctx context.Context, a *app, m *mesh.Member, r *cdc.Remote, preferred int) error {
	tables, err := m.Store.Tables(ctx)
	if err != nil {
		return err
	}
	watched := 0
	for _, t := range tables {
		if t.Watched {
			watched++
		}
	}
	if a.JSON {
		return a.printJSON(map[string]any{"remote": r.Name, "key": nodeKey(m.Store.Node()), "tables": watched, "preferred": preferred})
	}
	a.printf("joined %s with %s\n", r.Name, countOf(int64(watched), "watched table"))
	if preferred > 0 {
		a.printf("%s as preferred\n", countOf(int64(preferred), "row"))
	}
	if watched == 0 {
		a.say("no table is watched here yet: sqlsync watch TABLE… or --all, then serve or sync")
	}
	return nil
}
