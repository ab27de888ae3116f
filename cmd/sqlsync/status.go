package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
	"sqlsync/merge"
	"sqlsync/replicate"
	"sqlsync/replicate/mesh"
)

type statusCmd struct {
	Watch   bool          `xor:"how" help:"Go on showing it, until interrupted."`
	Wait    string        `xor:"how" placeholder:"REMOTE" complete:"remote" help:"Wait until the remote has confirmed everything that is written here until now."`
	Timeout time.Duration `default:"30s" help:"How long to wait with --wait; 0 is as long as it takes."`
}

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
	// Blocked names the remotes that keep it from being pruned.
	Blocked []string `json:"blocked_by"`
	Private bool     `json:"private"`
	Keyed   bool     `json:"key"`
	// relay says that it is passed on unread.
	relay bool
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
	Remedy    string                       `json:"remedy,omitempty"`
	Pull      bool                         `json:"pull"`
	Push      bool                         `json:"push"`
	Disabled  bool                         `json:"disabled"`
	// LagSeconds is the age of the oldest change that it lacks, by dataset.
	LagSeconds map[string]float64 `json:"lag_seconds"`
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
	// Renewed is nil mostly; Forks are chains with two ends.
	Renewed *renewal     `json:"renewed,omitempty"`
	Forks   []forkStatus `json:"forks"`
	// Replicated says that every remote that gets changes from here has all of
	// them. Verdict says so in words, or why not.
	Replicated bool `json:"replicated"`
	// Unreplicated is what is left out of what is exchanged.
	Unreplicated []unreplicated `json:"unreplicated"`
	Verdict      string         `json:"verdict"`

	watched int64
	waiting int64 // tables
}

// Run shows how everything stands.
func (c *statusCmd) Run(ctx context.Context, a *app) error {
	if c.Wait != "" {
		return c.wait(ctx, a)
	}
	store, err := a.look(ctx)
	if err != nil {
		a.sayTroubles()
		return err
	}
	if store == nil {
		return a.unset()
	}
	defer store.Close()
	if c.Watch {
		return c.watch(ctx, a, store)
	}
	st, err := readStatus(ctx, store)
	if err != nil {
		return explain(store.Path(), err)
	}
	if a.JSON {
		return a.printJSON(st)
	}
	return st.write(a.stdout)
}

// unset is the status of a database that is no node.
func (a *app) unset() error {
	if a.JSON {
		return a.printJSON(status{Datasets: []datasetStatus{}, Remotes: []remoteStatus{}, Warnings: []string{}, Forks: []forkStatus{}, Unreplicated: []unreplicated{}, Verdict: "not set up"})
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
		Node: nodeKey(store.Node()), Serving: mesh.Served(store.Path()), Datasets: []datasetStatus{}, Remotes: []remoteStatus{},
		Conflicts: have.Conflicts, Violations: have.Violations, Quarantined: have.Held, Warnings: []string{},
	}
	for _, d := range have.Datasets {
		ds := datasetStatus{d.Name, d.Enabled, d.Pending, d.Batches, d.Bytes, make(map[string]position), []string{}, d.Private, d.Keyed, d.Private && !d.Keyed && d.Tables == 0}
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
	st.waiting = int64(len(have.Waiting))
	for _, table := range slices.Sorted(maps.Keys(have.Waiting)) {
		st.Warnings = append(st.Warnings, fmt.Sprintf("table %s waits: %s", table, have.Waiting[table]))
	}
	for _, table := range have.Gaps {
		if have.Waiting[table] == "" {
			st.waiting++
		}
		st.Warnings = append(st.Warnings, fmt.Sprintf("table %s waits: changes from before it was watched are still to come; they do with the next connection to a remote that has them", table))
	}
	for _, d := range have.Datasets {
		if d.Private && !d.Keyed && d.Tables > 0 {
			st.Warnings = append(st.Warnings, fmt.Sprintf("dataset %s is private and its key is not here: its changes are held and passed on unread", d.Name))
		}
	}
	for _, dataset := range have.Passing {
		st.Warnings = append(st.Warnings, fmt.Sprintf("dataset %s: changes to tables that are not watched here are still to come, to be passed on; they do with the next connection to a remote that has them, and remotes that want them get nothing newer before", dataset))
	}
	for _, t := range have.Absent {
		if t.Left {
			continue // the verdict says so
		}
		if t.In != "" {
			st.Warnings = append(st.Warnings, fmt.Sprintf("table %s comes from %s in dataset %s and is in %s here: what is written there waits; sqlsync watch %s --dataset %s moves it%s",
				t.Name, t.Peer, t.Dataset, t.In, t.Name, t.Dataset, inClear(have, t)))
			continue
		}
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
	for _, o := range have.Overdue {
		st.Warnings = append(st.Warnings, fmt.Sprintf("batches of %s since %s are kept for %s, which has not confirmed them: bring it back, or sqlsync remote set %s --max-offline 30d, or remote remove",
			o.Dataset, o.Since.UTC().Format(time.RFC3339), o.Remote, o.Remote))
	}
	for _, name := range have.NullKeys {
		st.Warnings = append(st.Warnings, fmt.Sprintf("table %s has rows with NULL in the key: they are not replicated; give them a key", name))
	}
	if have.Held > 0 {
		st.Warnings = append(st.Warnings, plural.Of(have.Held, "row")+plural.Choose(have.Held, " cannot be in its table for now; it is kept and comes back by itself", " cannot be in their tables for now; they are kept and come back by themselves"))
	}
	if err := st.readForks(ctx, store); err != nil {
		return nil, err
	}
	differing, err := store.Differing(ctx)
	if err != nil {
		return nil, err
	}
	for _, table := range slices.Sorted(maps.Keys(differing)) {
		st.Warnings = append(st.Warnings, differs(table, differing[table]))
	}
	hooks, err := store.Hooks(ctx)
	if err != nil {
		return nil, err
	}
	for _, h := range hooks {
		switch {
		case !h.Trusted:
			st.Warnings = append(st.Warnings, fmt.Sprintf("hook %s is not carried out: it was not added by sqlsync with this node's key; remove it, or remove it and add it again", h.Name))
		case h.Error != "":
			st.Warnings = append(st.Warnings, fmt.Sprintf("hook %s fails since %s: %s; it is tried again", h.Name, h.Since.Format(time.RFC3339), h.Error))
		}
	}
	if err := st.readBlocked(ctx, store); err != nil {
		return nil, err
	}
	if st.watched, err = store.Watched(ctx); err != nil {
		return nil, err
	}
	if err := st.readRemotes(ctx, store, have); err != nil {
		return nil, err
	}
	if st.Unreplicated, err = readUnreplicated(ctx, store, have); err != nil {
		return nil, err
	}
	st.Verdict, st.Replicated = st.verdict()
	return st, nil
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
			State: p.State, Error: oneLine(p.Error), Lag: make(map[string]int64), Confirmed: make(map[string]map[string]uint64),
			Pull: r.Takes(), Push: r.Gets(), LagSeconds: make(map[string]float64),
		}
		rs.Remedy = remedyFor(rs.Error, r.Name, st.Node)
		// A state of a serve that runs no more; what it or a sync met last stays.
		if rs.State == "" || !st.Serving && rs.State != string(replicate.Refused) {
			rs.State = string(replicate.Idle)
		}
		if why := r.Shut(time.Now()); why != "" {
			rs.State, rs.Error, rs.Disabled = string(replicate.Idle), why, r.Disabled
			rs.Remedy = shutRemedy(&r)
		}
		if !p.LastSync.IsZero() {
			rs.LastSync = p.LastSync.Format(time.RFC3339)
		}
		for _, d := range have.Datasets {
			if r.Datasets != nil && !slices.Contains(r.Datasets, d.Name) {
				continue
			}
			if own, ok := r.Directions[d.Name]; ok && !own.Push {
				continue // it lacks nothing
			}
			confirmed := make(map[string]uint64)
			for origin, pos := range d.Confirmed[r.Name] {
				confirmed[nodeKey(origin)] = pos.Seq
			}
			rs.Confirmed[d.Name] = confirmed
			if rs.Lag[d.Name], err = store.Lag(ctx, d.Name, d.Confirmed[r.Name]); err != nil {
				return err
			}
			since, err := store.LagSince(ctx, d.Name, d.Confirmed[r.Name])
			if err != nil {
				return err
			}
			if !since.IsZero() {
				rs.LagSeconds[d.Name] = max(0, time.Since(since).Seconds())
			}
		}
		st.Remotes = append(st.Remotes, rs)
	}
	return nil
}
