package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
)

type remoteCmd struct {
	Add    remoteAddCmd    `cmd:"" help:"Add a peer by its key."`
	List   remoteListCmd   `cmd:"" help:"List the peers."`
	Set    remoteSetCmd    `cmd:"" help:"Change where a peer is and what is exchanged with it."`
	Remove remoteRemoveCmd `cmd:"" help:"Forget a peer."`

	Disable remoteDisableCmd `cmd:"" help:"Refuse a peer and do not dial it, until it is enabled."`
	Enable  remoteEnableCmd  `cmd:"" help:"Exchange with a peer again that was disabled."`
}

// remoteFlags are what can be said of a remote at any time.
type remoteFlags struct {
	Addr    []string `sep:"none" placeholder:"HOST:PORT" help:"Where the peer listens; may be repeated. Without one, it has to dial us."`
	Dataset []string `sep:"none" complete:"dataset" help:"Dataset to exchange; may be repeated. Without one, all of them. It need not exist yet."`
	Pull    *bool    `xor:"direction" help:"Only take the peer's changes."`
	Push    *bool    `xor:"direction" help:"Only give the peer ours."`

	Direction map[string]string `mapsep:"none" placeholder:"DATASET=pull|push|both" help:"What is exchanged of one dataset, where it is not as --pull or --push say; may be repeated."`

	MaxOffline *lifetime `placeholder:"DURATION" help:"Prune also what the peer has not confirmed once it has been away for so long, for example 30d; it gets a snapshot when it comes back. never keeps everything for it. The default is 90 days."`

	Expires *lifetime `placeholder:"DURATION" help:"Refuse the peer after this time, for example 30d; never to allow it for good."`
}

func (f *remoteFlags) check() error {
	for _, addr := range f.Addr {
		host, port, err := net.SplitHostPort(addr)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || host == "" {
			return usage(fmt.Sprintf("address %q is not HOST:PORT", addr), "for example 192.168.1.20:7117")
		}
	}
	for _, d := range f.Dataset {
		if err := checkDataset(d); err != nil {
			return err
		}
	}
	for dataset, text := range f.Direction {
		if err := checkDataset(dataset); err != nil {
			return err
		}
		if _, err := cdc.ParseDirection(text); err != nil {
			return usage(fmt.Sprintf("--direction %s=%s: %v", dataset, text, err), "for example --direction primary=pull")
		}
	}
	return nil
}

// noteDatasets tells of datasets that are not there: one may be agreed on
// before its first table is watched, and one may be misspelled.
func (f *remoteFlags) noteDatasets(ctx context.Context, a *app, store *cdc.Store) error {
	list, err := store.DatasetSettings(ctx)
	if err != nil {
		return explain(store.Path(), err)
	}
	for _, d := range f.Dataset {
		if !slices.ContainsFunc(list, func(s cdc.DatasetSettings) bool { return s.Dataset == d }) {
			a.say("there is no dataset %q here yet; sqlsync watch TABLE --dataset %s makes it", d, d)
		}
	}
	return nil
}

func (f *remoteFlags) apply(r *cdc.Remote) {
	if f.Addr != nil {
		r.Addrs = f.Addr
	}
	if f.Dataset != nil {
		r.Datasets = f.Dataset
	}
	switch { // --pull=false is --push
	case f.Pull != nil:
		r.Pull, r.Push, r.Directions = *f.Pull, !*f.Pull, nil
	case f.Push != nil:
		r.Pull, r.Push, r.Directions = !*f.Push, *f.Push, nil
	}
	for dataset, text := range f.Direction {
		if r.Directions == nil {
			r.Directions = make(map[string]cdc.Direction)
		}
		r.Directions[dataset], _ = cdc.ParseDirection(text) // it was checked
	}
	if f.Expires != nil {
		r.Expires = f.Expires.after(time.Now())
	}
	if f.MaxOffline != nil {
		d := time.Duration(*f.MaxOffline)
		r.MaxOffline = &d
	}
}

type remoteAddCmd struct {
	Name string `arg:"" help:"What to call the peer."`
	Key  string `arg:"" help:"The peer's public key, as its sqlsync key prints it."`
	remoteFlags
	Readmit bool `help:"Let in a key again that was removed in an emergency."`
}

// Run adds a peer.
func (c *remoteAddCmd) Run(ctx context.Context, a *app) error {
	key, err := parseKey(c.Key)
	if err != nil {
		return err
	}
	if err := checkName(c.Name); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	if key == store.Node() {
		return usage("the key is this node's own", "take the key that sqlsync key prints on the other machine")
	}
	list, err := store.Remotes(ctx)
	if err != nil {
		return explain(store.Path(), err)
	}
	r := cdc.Remote{Name: c.Name, Key: key, Pull: true, Push: true}
	had := slices.IndexFunc(list, func(r cdc.Remote) bool { return r.Name == c.Name && r.Key == key })
	if had >= 0 {
		r = list[had] // of which what is not said stays
	}
	c.apply(&r)
	if c.Readmit {
		if err := store.Readmit(ctx, key); err != nil {
			return explain(store.Path(), err)
		}
	}
	err = store.AddRemote(ctx, r)
	if errors.Is(err, cdc.ErrBanned) {
		return hint(err, "if that machine is yours again, and nobody else has its key file: add --readmit; or give it a new key")
	}
	if errors.Is(err, cdc.ErrRemoteExists) {
		return c.exists(ctx, store, key, err)
	}
	if err != nil {
		return explain(store.Path(), err)
	}
	switch {
	case had >= 0 && r.Disabled:
		return shut(&r)
	case had >= 0:
		a.tell("%s was there already", cell(c.Name))
	default:
		a.tell("added %s", cell(c.Name))
	}
	return c.noteDatasets(ctx, a, store)
}

// exists says what to do about a name or a key that another remote has.
func (c *remoteAddCmd) exists(ctx context.Context, store *cdc.Store, key merge.NodeID, cause error) error {
	list, err := store.Remotes(ctx)
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.Key == key {
			return hint(cause, "sqlsync remote set %s changes it, and with --name %s renames it", r.Name, c.Name)
		}
	}
	return hint(cause, "if %s has a new key: sqlsync remote remove %s first", c.Name, c.Name)
}

func checkName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return usage("the name is empty", "call the peer something, such as office")
	case strings.HasPrefix(name, "-"), strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return usage(fmt.Sprintf("the name %q would have to be quoted wherever it is used", name), "leave out spaces and what cannot be printed, and begin with another character than -")
	}
	return nil
}

func checkDataset(name string) error {
	if strings.TrimSpace(name) == "" {
		return usage("the name of the dataset is empty", "sqlsync dataset list shows the datasets; leave --dataset out for the usual one")
	}
	if err := cdc.CheckDatasetName(name); err != nil {
		return usage(err.Error(), "use up to 100 letters, digits, '.', '_' and '-', beginning with a letter or a digit")
	}
	return nil
}

func parseKey(s string) (merge.NodeID, error) {
	key, err := crypto.ParsePublicKey(s)
	if err != nil && crypto.IsTicket(s) {
		return merge.NodeID{}, usage("this is a ticket and no key", "on a node that is to join: sqlsync join TICKET")
	}
	if err != nil {
		return merge.NodeID{}, usage(err.Error(), "copy the key again: sqlsync key prints it on the other machine")
	}
	return merge.NodeID(key), nil
}

type remoteListCmd struct {
	Strangers bool `help:"List only the nodes that are no remotes and tried to connect."`
}

type remoteRow struct {
	Name     string   `json:"name"`
	Key      string   `json:"key"`
	Addrs    []string `json:"addrs"`
	Datasets []string `json:"datasets"`
	Pull     bool     `json:"pull"`
	Push     bool     `json:"push"`
	Expires  string   `json:"expires"`
	Former   string   `json:"former"`
	Disabled bool     `json:"disabled"`
	// Directions are of datasets that have one of their own.
	Directions map[string]string `json:"directions"`
	// Learned is where peers say that it is, in its own words.
	Learned *learnedRow `json:"learned,omitempty"`
}

type learnedRow struct {
	Addrs []string `json:"addrs"`
	Said  string   `json:"said"`
	From  string   `json:"from"`
}

// Run lists the peers.
func (c *remoteListCmd) Run(ctx context.Context, a *app) error {
	store, err := a.look(ctx)
	if err != nil {
		return err
	}
	if store == nil {
		return printNoRemotes(a, c.Strangers)
	}
	defer store.Close()
	if c.Strangers {
		return listStrangers(ctx, a, store)
	}
	list, err := store.Remotes(ctx)
	if err != nil {
		return err
	}
	names, err := nodeNames(ctx, store)
	if err != nil {
		return err
	}
	rows := []remoteRow{}
	for _, r := range list {
		row := remoteRow{r.Name, nodeKey(r.Key), append([]string{}, r.Addrs...), append([]string{}, r.Datasets...), r.Pull, r.Push, "", "", r.Disabled, make(map[string]string), nil}
		if r.Learned.Current(time.Now()) && len(r.Learned.Addrs) > 0 {
			row.Learned = &learnedRow{r.Learned.Addrs, r.Learned.Said.Format(time.RFC3339), names(r.Learned.From)}
		}
		for dataset, d := range r.Directions {
			row.Directions[dataset] = d.String()
		}
		if !r.Expires.IsZero() {
			row.Expires = r.Expires.Format(time.RFC3339)
		}
		if r.Former != (merge.NodeID{}) {
			row.Former = nodeKey(r.Former)
		}
		rows = append(rows, row)
	}
	if a.JSON {
		return a.printJSON(rows)
	}
	if err := printRemotes(a, rows); err != nil {
		return err
	}
	return listStrangers(ctx, a, store)
}

func printRemotes(a *app, rows []remoteRow) error {
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tADDRESS\tDATASETS\tDIRECTION\tKEY")
	for _, r := range rows {
		datasets := "all"
		if len(r.Datasets) > 0 {
			datasets = cells(r.Datasets)
		}
		allowed := cdc.Direction{Pull: r.Pull, Push: r.Push}.String()
		for _, dataset := range slices.Sorted(maps.Keys(r.Directions)) {
			allowed += "," + cell(dataset) + "=" + r.Directions[dataset]
		}
		if r.Expires != "" {
			allowed += " until " + r.Expires
		}
		if r.Disabled {
			allowed += ", disabled"
		}
		key := r.Key
		if r.Former != "" {
			key += " (was " + r.Former + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", cell(r.Name), dash(strings.Join(r.Addrs, ",")), datasets, allowed, key)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Learned != nil && slices.ContainsFunc(r.Learned.Addrs, func(addr string) bool { return !slices.Contains(r.Addrs, addr) }) {
			from := ""
			if r.Learned.From != r.Name {
				from = ", told by " + cell(r.Learned.From)
			}
			a.printf("%s says that it is at %s%s, %s\n", cell(r.Name), strings.Join(r.Learned.Addrs, ", "), from, r.Learned.Said)
		}
	}
	return nil
}

func unknownRemote(name string, list []cdc.Remote) error {
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	if len(names) == 0 {
		return hint(fmt.Errorf("no remote %q", name), "there are none: sqlsync remote add NAME KEY adds one")
	}
	return hint(fmt.Errorf("no remote %q", name), "%sthe remotes are: %s", suggest(name, names), strings.Join(names, ", "))
}

// printNoRemotes is the list of a database that is not set up.
func printNoRemotes(a *app, strangers bool) error {
	switch {
	case a.JSON:
		return a.printJSON([]remoteRow{})
	case strangers:
		return nil
	}
	return printRemotes(a, nil)
}
