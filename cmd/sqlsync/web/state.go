package web

import (
	"sqlsync/cdc"
)

// state is what the page shows of all databases.
type state struct {
	Time      int64           `json:"time"` // Unix milliseconds, as all times here
	Health    health          `json:"health"`
	Login     bool            `json:"login"` // there is something to log out of
	Databases []databaseState `json:"databases"`
}

type databaseState struct {
	Path        string         `json:"path"`
	Name        string         `json:"name"`
	Key         string         `json:"key"`
	Error       string         `json:"error"`
	Datasets    []datasetState `json:"datasets"`
	Peers       []peerState    `json:"peers"`
	Conflicts   int64          `json:"conflicts"`
	Violations  int64          `json:"violations"`
	Quarantined int64          `json:"quarantined"`
	// Unreplicated is what is not exchanged with peers that are there.
	Unreplicated []string `json:"unreplicated"`
	Sealed       int64    `json:"sealed"`
	Applied      int64    `json:"applied"`
	// ConflictMark and ConfigMark change when the lists of conflicts and of
	// tables are to be asked for again.
	ConflictMark int64 `json:"conflict_mark"`
	ConfigMark   int64 `json:"config_mark"`
}

type datasetState struct {
	Dataset        string  `json:"dataset"`
	Enabled        bool    `json:"enabled"`
	Pending        int64   `json:"pending"`
	PendingSeconds float64 `json:"pending_seconds"`
	Batches        int64   `json:"batches"`
	Bytes          int64   `json:"bytes"`
	LagRows        int64   `json:"lag_rows"`
	LagSeconds     float64 `json:"lag_seconds"`
}

type peerState struct {
	Name       string   `json:"name"`
	Key        string   `json:"key"`
	Addrs      []string `json:"addrs"`
	State      string   `json:"state"`
	Error      string   `json:"error"`
	LastSync   string   `json:"last_sync"`
	Pull       bool     `json:"pull"`
	Push       bool     `json:"push"`
	LagRows    int64    `json:"lag_rows"`
	LagSeconds float64  `json:"lag_seconds"`
	Missing    uint64   `json:"missing"`
}

func (s *Server) stateOf(d *Database, snap *snapshot) databaseState {
	out := databaseState{
		Path: d.Path, Name: d.name(), Key: d.Show.Key(d.Store.Node()), Datasets: []datasetState{}, Peers: []peerState{},
		Unreplicated: []string{}, ConfigMark: d.configs.Load(),
	}
	for _, u := range snap.unreplicated {
		out.Unreplicated = append(out.Unreplicated, u.Text)
	}
	out.Sealed, out.Applied = s.options.Counters.changes(d.Path)
	if snap.err != nil {
		out.Error = snap.err.Error()
		return out
	}
	m := snap.measure
	out.Conflicts, out.Violations, out.Quarantined = m.Conflicts, m.Violations, m.Held
	out.ConflictMark = m.LastConflict<<20 + m.Conflicts
	for _, ds := range m.Datasets {
		rows, seconds := worst(snap, ds)
		out.Datasets = append(out.Datasets, datasetState{
			Dataset: ds.Name, Enabled: ds.Enabled, Pending: ds.Pending, PendingSeconds: since(snap.at, ds.PendingSince),
			Batches: ds.Batches, Bytes: ds.Bytes, LagRows: rows, LagSeconds: seconds,
		})
	}
	for _, p := range snap.peers {
		ps := peerState{
			Name: p.Remote.Name, Key: d.Show.Key(p.Remote.Peer), Addrs: p.Remote.Addrs, State: string(p.State), Error: p.Error,
			LastSync: stamp(p.LastSync), Pull: p.Remote.Pull, Push: p.Remote.Push,
		}
		for _, ds := range m.Datasets {
			lag := ds.Lag[p.Remote.Name]
			ps.LagRows += lag.Changes
			ps.LagSeconds = max(ps.LagSeconds, since(snap.at, lag.Since))
			ps.Missing += p.Lag[ds.Name].Ours
		}
		out.Peers = append(out.Peers, ps)
	}
	return out
}

// worst is the lag of the peer that lacks most of a dataset.
func worst(snap *snapshot, d cdc.DatasetMeasure) (rows int64, seconds float64) {
	for _, lag := range d.Lag {
		rows, seconds = max(rows, lag.Changes), max(seconds, since(snap.at, lag.Since))
	}
	return rows, seconds
}
