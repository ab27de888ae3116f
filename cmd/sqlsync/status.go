package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sqlsync/cdc"
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
	// PendingSeconds is the age of the oldest mark that is not sealed.
	PendingSeconds float64 `json:"pending_seconds"`

	tables int64 // that are watched
	// relay says that it is passed on unread.
	relay bool
}

type remoteStatus struct {
	Name string `json:"name"`
	Key  string `json:"key"`
	Addr string `json:"addr"`
	// Learned are where it says itself that it is, as peers told.
	Learned   []string                     `json:"learned,omitempty"`
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

// unevenTable is a table whose policy was changed and that was not compared with a
// remote's since. ByItself says that it will be.
type unevenTable struct {
	Table    string `json:"table"`
	Dataset  string `json:"dataset"`
	Remote   string `json:"remote"`
	ByItself bool   `json:"by_itself"`
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
	// Uneven are the tables that are still to be compared with a remote's.
	Uneven  []unevenTable `json:"uneven"`
	Verdict string        `json:"verdict"`

	watched int64
	waiting int64 // tables
	passes  bool  // changes on, from one remote to another
	// troubles are of the serve that runs.
	troubles []trouble
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
		return a.printJSON(status{Datasets: []datasetStatus{}, Remotes: []remoteStatus{}, Warnings: []string{}, Forks: []forkStatus{}, Unreplicated: []unreplicated{}, Uneven: []unevenTable{}, Verdict: "not set up"})
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
		Conflicts: have.Conflicts, Violations: have.Violations, Quarantined: have.Held, Warnings: []string{}, Uneven: []unevenTable{},
	}
	if st.watched, err = store.Watched(ctx); err != nil {
		return nil, err
	}
	if st.passes, err = store.Passes(ctx); err != nil {
		return nil, err
	}
	for _, d := range have.Datasets {
		ds := datasetStatus{d.Name, d.Enabled, d.Pending, d.Batches, d.Bytes, make(map[string]position), []string{}, d.Private, d.Keyed, 0, d.Tables, d.Private && !d.Keyed && d.Tables == 0}
		if !d.PendingSince.IsZero() {
			ds.PendingSeconds = max(0, time.Since(d.PendingSince).Seconds())
		}
		for origin, p := range d.Vector {
			ds.Vector[nodeKey(origin)] = position{p.Seq, p.HLC}
		}
		st.Datasets = append(st.Datasets, ds)
	}
	if st.Serving {
		st.troubles = readTroubles(store.Path())
		for _, t := range st.troubles {
			st.Warnings = append(st.Warnings, t.String())
		}
	}
	st.warn(have)
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
		rs.Learned = r.Dialed(time.Now())[len(r.Addrs):]
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
		if st.Serving && rs.State == string(replicate.Idle) && rs.Error == "" && rs.nowhere() && !rs.seen() {
			rs.Remedy = "see that sqlsync serve runs there and has this node's address, or give its own here: sqlsync remote set " + r.Name + " --addr HOST:PORT"
		}
		st.Remotes = append(st.Remotes, rs)
	}
	return nil
}
