package main

import (
	"context"
	"fmt"
	"time"

	"sqlsync/cdc"
	"sqlsync/merge"
)

// forkStatus is a chain with two ends.
type forkStatus struct {
	Dataset string `json:"dataset"`
	Origin  string `json:"origin"`
	Seq     uint64 `json:"seq"`
	Peer    string `json:"peer"`
	Noted   string `json:"noted"`
	// Merged is when the rows of both ends came to be here, empty while they are
	// not.
	Merged string `json:"merged"`
}

// renewal is since when, and why, a database goes on as another author.
type renewal struct {
	Author string `json:"author"`
	Since  string `json:"since"`
	Why    string `json:"why"`
}

// forkShown is for how long one that was merged is a warning.
const forkShown = 7 * 24 * time.Hour

// readForks tells what became of copies of databases.
func (st *status) readForks(ctx context.Context, store *cdc.Store) error {
	since, why, err := store.Renewed(ctx)
	if err != nil {
		return err
	}
	if why != "" {
		st.Renewed = &renewal{nodeKey(store.Author()), since.Format(time.RFC3339), why}
	}
	forks, err := store.Forks(ctx)
	if err != nil {
		return err
	}
	names, err := nodeNames(ctx, store)
	if err != nil {
		return err
	}
	st.Forks = []forkStatus{}
	for _, f := range forks {
		fs := forkStatus{Dataset: f.Dataset, Origin: nodeKey(f.Origin), Seq: f.Seq, Peer: names(f.Peer), Noted: f.Noted.Format(time.RFC3339)}
		if !f.Merged.IsZero() {
			fs.Merged = f.Merged.Format(time.RFC3339)
		}
		st.Forks = append(st.Forks, fs)
		if f.Merged.IsZero() || time.Since(f.Noted) < forkShown {
			st.Warnings = append(st.Warnings, forkWarning(f, names)+"; "+forkRemedy)
		}
	}
	return nil
}

const forkRemedy = "where the copy is, run sqlsync --db FILE key new --yes"

func forkWarning(f cdc.Fork, names func(merge.NodeID) string) string {
	became := fmt.Sprintf("the rest of that chain waits for a snapshot from %s, all else goes on", names(f.Peer))
	if !f.Merged.IsZero() {
		became = "the rows of both were merged " + f.Merged.Format(time.RFC3339)
	}
	return fmt.Sprintf("there are two different batches %d of %s in %s (the other from %s): its database was copied with its key, or put back unnoticed; %s; where the copy is: sqlsync --db FILE key new --yes",
		f.Seq, names(f.Origin), f.Dataset, names(f.Peer), became)
}

// checkForks tells of chains with two ends, as status does.
func (d *doctor) checkForks() {
	names := func(n merge.NodeID) string {
		for _, r := range d.ex.Remotes {
			if r.Key == n {
				return r.Name
			}
		}
		return short(n)
	}
	for _, f := range d.ex.Forks {
		if f.Merged.IsZero() || d.now.Sub(f.Noted) < forkShown {
			d.warn("chain of "+names(f.Origin), forkRemedy, "%s", forkWarning(f, names))
		}
	}
}
