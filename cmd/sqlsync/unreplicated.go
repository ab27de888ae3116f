package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/web"
	"sqlsync/replicate"
)

// unreplicated is a dataset or a table that is not exchanged with a remote,
// though the rest is, until somebody does something about it.
type unreplicated struct {
	Dataset string `json:"dataset"`
	// Table is empty for all that the dataset has.
	Table  string `json:"table,omitempty"`
	Remote string `json:"remote"`
	Reason string `json:"reason"`
	Remedy string `json:"remedy"`
}

func (u unreplicated) String() string {
	what := "dataset " + cell(u.Dataset)
	if u.Table != "" {
		what = "table " + cell(u.Table)
	}
	return fmt.Sprintf("%s is not replicated with %s: %s", what, cell(u.Remote), u.Reason)
}

// readUnreplicated lists what is not exchanged with remotes that are.
func readUnreplicated(ctx context.Context, store *cdc.Store, have *cdc.Status) ([]unreplicated, error) {
	remotes, err := store.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	peers, err := store.Peers(ctx)
	if err != nil {
		return nil, err
	}
	list := []unreplicated{}
	now := time.Now()
	for _, r := range remotes {
		if r.Shut(now) != "" {
			continue
		}
		for _, d := range have.Datasets {
			own := r.Direction(d.Name)
			if !d.Enabled || d.Tables == 0 && !d.Private || r.Datasets != nil && !slices.Contains(r.Datasets, d.Name) || !own.Pull && !own.Push {
				continue
			}
			if u, ok := denied(&r, &d, peers[r.Key], nodeKey(store.Node())); ok {
				list = append(list, u)
			}
		}
		for _, a := range have.Arriving {
			own := r.Direction(a.Dataset)
			if a.Remote == r.Name && (r.Datasets == nil || slices.Contains(r.Datasets, a.Dataset)) && (a.There && own.Push || a.Here && own.Pull) {
				list = append(list, arriving(a))
			}
		}
		for _, t := range have.Absent {
			if t.In != "" && t.Peer == r.Name {
				list = append(list, halfMoved(t, inClear(have, t)))
			}
		}
	}
	return list, nil
}

// shownUnreplicated is readUnreplicated for the pages, each with what to do.
func shownUnreplicated(ctx context.Context, store *cdc.Store) (list []web.Unreplicated, err error) {
	have, err := store.Status(ctx)
	if err != nil {
		return nil, err
	}
	left, err := readUnreplicated(ctx, store, have)
	for _, u := range left {
		list = append(list, web.Unreplicated{Dataset: u.Dataset, Table: u.Table, Peer: u.Remote, Text: u.String() + "; " + u.Remedy})
	}
	return list, err
}

// denied tells of a dataset that a remote does not exchange: by its own word,
// or because it does not come for it and cannot be dialed.
func denied(r *cdc.Remote, d *cdc.DatasetStatus, p cdc.PeerState, self string) (u unreplicated, ok bool) {
	stream := p.Datasets[d.Name]
	u = unreplicated{Dataset: d.Name, Remote: r.Name, Reason: oneLine(stream.Error)}
	switch {
	case stream.Denied && d.Private && strings.Contains(stream.Error, replicate.ErrNoDataset.Error()):
		u.Remedy = carryRemedy(d.Name) + "; or leave it out here: sqlsync remote set " + r.Name + " --dataset D"
	case stream.Denied:
		u.Remedy = remedyFor(stream.Error, r.Name, self)
	case p.State == string(replicate.Connected) && stream.State == string(replicate.Idle) && stream.Error == "" && len(r.Dialed(time.Now())) == 0:
		u.Reason = "it has not come for it, and has no address here"
		u.Remedy = "watch tables in the dataset there, and allow it: sqlsync remote list there says; or leave it out here: sqlsync remote set " + r.Name + " --dataset D"
	default:
		return u, false
	}
	return u, true
}

// carryRemedy is how a peer comes to have a private dataset.
func carryRemedy(dataset string) string {
	return fmt.Sprintf("to have it passed on unread, run there: sqlsync dataset relay %[1]s; to have it read, sqlsync invite --dataset %[1]s here and sqlsync join there", dataset)
}

// halfMoved tells of a table that two nodes have in different datasets.
func halfMoved(t cdc.AbsentTable, inClear string) unreplicated {
	u := unreplicated{Dataset: t.In, Table: t.Name, Remote: t.Peer}
	if t.Left {
		u.Reason = fmt.Sprintf("it was moved to %s here and is still in %s there, where what is written here waits", cell(t.In), cell(t.Dataset))
		u.Remedy = fmt.Sprintf("move it there: sqlsync watch %s --dataset %s", t.Name, t.In)
		return u
	}
	u.Reason = fmt.Sprintf("it is in %s there and in %s here, where what is written there waits", cell(t.Dataset), cell(t.In))
	u.Remedy = fmt.Sprintf("sqlsync watch %s --dataset %s moves it%s", t.Name, t.Dataset, inClear)
	return u
}

// arriving tells of a table whose rows were not exchanged since it was moved.
func arriving(a cdc.Arriving) unreplicated {
	u := unreplicated{Dataset: a.Dataset, Table: a.Table, Remote: a.Remote}
	switch {
	case !a.Heard:
		u.Reason = fmt.Sprintf("it was moved to %s, and %s has not come for the rows that were in it", cell(a.Dataset), cell(a.Remote))
	case a.There:
		u.Reason = fmt.Sprintf("it was moved to %s, and %s does not have all rows yet that were in it", cell(a.Dataset), cell(a.Remote))
	default:
		u.Reason = fmt.Sprintf("it was moved to %s, and the rows that were in it there are still to come", cell(a.Dataset))
	}
	u.Remedy = "they are exchanged by themselves with the next connection: sqlsync sync " + a.Remote + "; if it stays so, upgrade sqlsync there and look at its status"
	return u
}

// inClear warns of moving a table to where a peer has it, if it is private here
// and would not be there, "" otherwise.
func inClear(have *cdc.Status, t cdc.AbsentTable) string {
	private := func(name string) bool {
		return slices.ContainsFunc(have.Datasets, func(d cdc.DatasetStatus) bool { return d.Name == name && d.Private })
	}
	if !private(t.In) || private(t.Dataset) {
		return ""
	}
	return fmt.Sprintf(", and puts it into clear, which it asks --yes for: whoever holds or passes on %s can read it then; to keep it private, move it there: sqlsync watch %s --dataset %s", t.Dataset, t.Name, t.In)
}

// denies finds why a remote has nothing of a dataset, nil if it may have it.
func (st *status) denies(remote, dataset string) *unreplicated {
	for i := range st.Unreplicated {
		if u := &st.Unreplicated[i]; u.Remote == remote && u.Dataset == dataset && u.Table == "" {
			return u
		}
	}
	return nil
}

// denied is why a remote does not have what it lacks, nil if that is on its way
// or all is cut off.
func (st *status) denied(r *remoteStatus) *unreplicated {
	for _, d := range st.Datasets {
		if r.Lag[d.Dataset] > 0 || d.Pending > 0 {
			if u := st.denies(r.Name, d.Dataset); u != nil {
				return u
			}
		}
	}
	return nil
}

// others says what else is not replicated than what was told already.
func (st *status) others(told *unreplicated) (text string) {
	rest := int64(len(st.Unreplicated))
	for i := range st.Unreplicated {
		u := &st.Unreplicated[i]
		switch {
		case told != nil && *u == *told:
			rest--
		case text == "":
			text = u.String()
			rest--
		}
	}
	if text != "" && rest > 0 {
		text += fmt.Sprintf("; nor is %s", countOf(rest, "other dataset or table"))
	}
	return text
}
