package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/replicate"
)

type statusCmd struct{}

type position struct {
	Seq uint64    `json:"seq"`
	HLC merge.HLC `json:"hlc"`
}

type datasetStatus struct {
	Dataset string              `json:"dataset"`
	Enabled bool                `json:"enabled"`
	Pending int64               `json:"pending"`
	Batches int64               `json:"batches"`
	Bytes   int64               `json:"bytes"`
	Vector  map[string]position `json:"vector"`
}

type remoteStatus struct {
	Name      string                       `json:"name"`
	Key       string                       `json:"key"`
	Addr      string                       `json:"addr"`
	Datasets  []string                     `json:"datasets"`
	State     string                       `json:"state"`
	Lag       map[string]int64             `json:"lag"`
	Confirmed map[string]map[string]uint64 `json:"confirmed"`
	LastSync  string                       `json:"last_sync"`
	Error     string                       `json:"error"`
}

type status struct {
	Node        string          `json:"node"`
	Serving     bool            `json:"serving"`
	Datasets    []datasetStatus `json:"datasets"`
	Remotes     []remoteStatus  `json:"remotes"`
	Conflicts   int64           `json:"conflicts"`
	Violations  int64           `json:"violations"`
	Quarantined int64           `json:"quarantined"`
	Warnings    []string        `json:"warnings"`
}

// Run shows how everything stands.
func (statusCmd) Run(ctx context.Context, a *app) error {
	store, err := a.look(ctx)
	if err != nil {
		a.sayTroubles()
		return err
	}
	if store == nil {
		return a.unset()
	}
	defer store.Close()
	st, err := readStatus(ctx, store)
	if err != nil {
		return explain(store.Path(), err)
	}
	if a.JSON {
		return a.printJSON(st)
	}
	return st.print(a)
}

// unset is the status of a database that is no node.
func (a *app) unset() error {
	if a.JSON {
		return a.printJSON(status{Datasets: []datasetStatus{}, Remotes: []remoteStatus{}, Warnings: []string{}})
	}
	a.printf("%s is not set up for sqlsync yet\n", a.DB[0])
	fmt.Fprintln(a.stderr, "hint: sqlsync tables shows what can be replicated; sqlsync watch TABLE begins")
	return nil
}

func readStatus(ctx context.Context, store *cdc.Store) (*status, error) {
	have, err := store.Status(ctx)
	if err != nil {
		return nil, err
	}
	st := &status{
		Node: nodeKey(store.Node()), Serving: served(store.Path()), Datasets: []datasetStatus{}, Remotes: []remoteStatus{},
		Conflicts: have.Conflicts, Violations: have.Violations, Quarantined: have.Held, Warnings: []string{},
	}
	for _, d := range have.Datasets {
		ds := datasetStatus{d.Name, d.Enabled, d.Pending, d.Batches, d.Bytes, make(map[string]position)}
		for origin, p := range d.Vector {
			ds.Vector[nodeKey(origin)] = position{p.Seq, p.HLC}
		}
		st.Datasets = append(st.Datasets, ds)
	}
	if st.Serving {
		for _, t := range readTroubles(store.Path()) {
			st.Warnings = append(st.Warnings, t.String())
		}
	}
	for _, table := range slices.Sorted(maps.Keys(have.Waiting)) {
		st.Warnings = append(st.Warnings, fmt.Sprintf("table %s waits: %s", table, have.Waiting[table]))
	}
	for _, t := range have.Absent {
		todo := "create it, then sqlsync watch " + t.Name
		if t.Exists {
			todo = "sqlsync watch " + t.Name + " takes it"
		}
		if t.Dataset != cdc.DefaultDataset {
			todo += " --dataset " + t.Dataset
		}
		st.Warnings = append(st.Warnings, fmt.Sprintf("table %s comes from %s and is not watched here: %s", t.Name, t.Peer, todo))
	}
	for _, column := range have.Lacking {
		st.Warnings = append(st.Warnings, fmt.Sprintf("column %s is on another node and not here: its values are kept and land when it is added", column))
	}
	for _, name := range have.NullKeys {
		st.Warnings = append(st.Warnings, fmt.Sprintf("table %s has rows with NULL in the key: they are not replicated; give them a key", name))
	}
	if have.Held > 0 {
		st.Warnings = append(st.Warnings, fmt.Sprintf("%d rows cannot be in their tables for now; they are kept and come back by themselves", have.Held))
	}
	differing, err := store.Differing(ctx)
	if err != nil {
		return nil, err
	}
	for _, table := range slices.Sorted(maps.Keys(differing)) {
		st.Warnings = append(st.Warnings, differs(table, differing[table]))
	}
	return st, st.readRemotes(ctx, store, have)
}

func (st *status) readRemotes(ctx context.Context, store *cdc.Store, have *cdc.Status) error {
	remotes, err := store.Remotes(ctx)
	if err != nil {
		return err
	}
	peers, err := store.Peers(ctx)
	if err != nil {
		return err
	}
	for _, r := range remotes {
		p := peers[r.Key]
		rs := remoteStatus{
			Name: r.Name, Key: nodeKey(r.Key), Addr: strings.Join(r.Addrs, ","), Datasets: slices.Concat([]string{}, r.Datasets),
			State: p.State, Error: p.Error, Lag: make(map[string]int64), Confirmed: make(map[string]map[string]uint64),
		}
		// A state of a serve that runs no more; what it or a sync met last stays.
		if rs.State == "" || !st.Serving && rs.State != string(replicate.Refused) {
			rs.State = string(replicate.Idle)
		}
		if !p.LastSync.IsZero() {
			rs.LastSync = p.LastSync.Format(time.RFC3339)
		}
		for _, d := range have.Datasets {
			if r.Datasets != nil && !slices.Contains(r.Datasets, d.Name) {
				continue
			}
			confirmed := make(map[string]uint64)
			for origin, pos := range d.Confirmed[r.Name] {
				confirmed[nodeKey(origin)] = pos.Seq
			}
			rs.Confirmed[d.Name] = confirmed
			if rs.Lag[d.Name], err = store.Lag(ctx, d.Name, d.Confirmed[r.Name]); err != nil {
				return err
			}
		}
		st.Remotes = append(st.Remotes, rs)
	}
	return nil
}

func (st *status) print(a *app) error {
	serving := "not being served"
	if st.Serving {
		serving = "being served"
	}
	a.printf("node %s, %s\n", st.Node, serving)
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\nDATASET\tENABLED\tPENDING\tBATCHES\tBYTES")
	for _, d := range st.Datasets {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\n", cell(d.Dataset), yesNo(d.Enabled), d.Pending, d.Batches, d.Bytes)
	}
	if len(st.Remotes) > 0 {
		fmt.Fprintln(w, "\nREMOTE\tADDRESS\tSTATE\tLACKS\tLAST SYNC\tERROR")
	}
	for _, r := range st.Remotes {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", cell(r.Name), dash(r.Addr), r.since(), st.lacks(r), dash(r.LastSync), dash(r.Error))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.printf("\nconflicts %d, violations %d, quarantined %d\n", st.Conflicts, st.Violations, st.Quarantined)
	for _, warning := range st.Warnings {
		a.printf("warning: %s\n", warning)
	}
	return nil
}

// since is a remote's state, and for how long there is no connection, as far as
// that is known.
func (r *remoteStatus) since() string {
	switch {
	case r.State == string(replicate.Connected):
		return r.State
	case r.LastSync == "":
		return r.State + ", never in sync"
	}
	return r.State + ", not connected since " + r.LastSync
}

// lacks is what a remote has not got yet: changes that are sealed, and marks of
// which a seal makes changes.
func (st *status) lacks(r remoteStatus) string {
	var sealed, pending int64
	for _, d := range st.Datasets {
		if n, ok := r.Lag[d.Dataset]; ok {
			sealed, pending = sealed+n, pending+d.Pending
		}
	}
	if pending > 0 {
		return fmt.Sprintf("%d changes, %d pending", sealed, pending)
	}
	return fmt.Sprintf("%d changes", sealed)
}
