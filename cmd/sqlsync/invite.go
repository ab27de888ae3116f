package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mdp/qrterminal/v3"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/replicate/mesh"
)

type inviteCmd struct {
	Dataset []string `sep:"none" complete:"dataset" help:"Dataset that the joining node may have; may be repeated. Without one, all of them."`
	Expires lifetime `default:"1h" placeholder:"DURATION" help:"How long the ticket is good for, for example 1h or 7d."`
	Addr    []string `sep:"none" placeholder:"HOST:PORT" help:"Where this node can be reached; may be repeated. Without one, where the running serve listens."`
	Name    string   `help:"What to call the node that joins; the start of its key if not given."`
	Relay   bool     `help:"For a node that is to hold and pass on the private datasets and not to read them: the ticket has no key."`
	QR      bool     `name:"qr" help:"Draw the ticket as a QR code."`
}

// Run makes a ticket and prints it.
func (c *inviteCmd) Run(ctx context.Context, a *app) error {
	if c.Expires == 0 {
		return usage("a ticket has to expire", "for example --expires 7d")
	}
	if c.Name != "" {
		if err := checkName(c.Name); err != nil {
			return err
		}
	}
	if err := (&remoteFlags{Addr: c.Addr}).check(); err != nil {
		return err
	}
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := c.checkDatasets(store); err != nil {
		return err
	}
	t := &crypto.Ticket{
		Key: crypto.PublicKey(store.Node()), Secret: crypto.NewSecret(), Datasets: c.Dataset,
		Expires: c.Expires.after(time.Now()).Truncate(time.Second).UTC(),
	}
	if t.Addrs, err = c.addrs(ctx, a, store); err != nil {
		return err
	}
	if t.Relay = c.Relay; c.Relay {
		t.Datasets, err = relayed(ctx, store, c.Dataset)
	} else {
		t.Keys, err = keysOf(store, t.Datasets)
	}
	if err != nil {
		return err
	}
	text, err := t.Text()
	if err != nil {
		return err
	}
	err = store.Invite(ctx, t.Secret.Hash(), cdc.Invitation{Name: c.Name, Datasets: t.Datasets, Expires: t.Expires})
	if errors.Is(err, cdc.ErrRemoteExists) {
		return hint(err, "choose another --name; sqlsync remote list shows the remotes")
	}
	if err != nil {
		return explain(store.Path(), err)
	}
	return c.print(a, t, text)
}

func (c *inviteCmd) checkDatasets(store *cdc.Store) error {
	have := store.Datasets()
	for _, d := range c.Dataset {
		if !slices.Contains(have, d) {
			return noDataset(d, have)
		}
	}
	return nil
}

// addrs are those given, or those of the running serve.
func (c *inviteCmd) addrs(ctx context.Context, a *app, store *cdc.Store) ([]string, error) {
	running := mesh.Served(store.Path())
	if len(c.Addr) > 0 {
		if !running {
			a.say("%s is not being served: nobody can join before sqlsync serve --listen runs", store.Path())
		}
		return c.Addr, nil
	}
	var list []string
	if running {
		listening, err := store.Listening(ctx)
		if err != nil {
			return nil, err
		}
		for _, addr := range listening {
			list = append(list, reach(addr)...)
		}
	}
	if len(list) == 0 {
		return nil, hint(errors.New("no address to put into the ticket: no sqlsync serve is listening"),
			"run sqlsync serve --listen HOST:PORT, or say where this node will be reached: --addr HOST:PORT")
	}
	return list, nil
}

// print prints the ticket alone on the last line, in which scripts find it.
func (c *inviteCmd) print(a *app, t *crypto.Ticket, text string) error {
	if a.JSON {
		return a.printJSON(map[string]any{"ticket": text, "expires": t.Expires.Format(time.RFC3339),
			"addrs": t.Addrs, "datasets": append([]string{}, t.Datasets...)})
	}
	a.say("for one node, until %s, at %s: sqlsync --db FILE join TICKET", t.Expires.Local().Format(time.DateTime), strings.Join(t.Addrs, ", "))
	if len(t.Keys) > 0 {
		a.say("it holds the key of what is private in %s: keep it from others also when it is used; a node that is only to pass on gets one of sqlsync invite --relay",
			strings.Join(slices.Sorted(maps.Keys(t.Keys)), ", "))
	}
	if t.Relay {
		a.say("it holds no key: the node will hold and pass on %s without reading", listed(t.Datasets))
	}
	if c.QR {
		// Capitals and digits have an encoding of their own, of 5.5 bits each.
		qrterminal.GenerateHalfBlock(strings.ToUpper(text), qrterminal.L, a.stdout)
	}
	a.printf("%s\n", text)
	return nil
}
