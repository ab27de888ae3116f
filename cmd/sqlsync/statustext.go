package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"sqlsync/replicate"
)

// write shows a status on one screen: the verdict, the peers, what is wrong
// with them and what to do, and everything else that wants to be known.
func (st *status) write(out io.Writer) error {
	var b bytes.Buffer
	serving := "not being served"
	if st.Serving {
		serving = "being served"
	}
	fmt.Fprintf(&b, "%s\n\nnode %s, %s\n", st.Verdict, st.Node, serving)
	if st.Renewed != nil {
		fmt.Fprintf(&b, "it goes on as another author since %s: %s\n", st.Renewed.Since, st.Renewed.Why)
	}
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\nDATASET\tENABLED\tPENDING\tBATCHES\tBYTES")
	for _, d := range st.Datasets {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\n", cell(d.Dataset), yesNo(d.Enabled), d.Pending, d.Batches, d.Bytes)
	}
	if len(st.Remotes) > 0 {
		fmt.Fprintln(w, "\nREMOTE\tADDRESS\tSTATE\tLACKS\tFOR\tLAST SYNC")
	}
	for i := range st.Remotes {
		r := &st.Remotes[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", cell(r.Name), r.where(), r.since(), st.lacks(r), st.behindFor(r), dash(r.LastSync))
	}
	w.Flush() // into memory
	for _, r := range st.Remotes {
		told := false
		for _, u := range st.Unreplicated {
			if u.Remote == r.Name {
				fmt.Fprintf(&b, "%s: %s\n%s: do: %s\n", cell(r.Name), u, cell(r.Name), u.Remedy)
				told = told || u.Reason == oneLine(r.Error)
			}
		}
		if r.Error != "" && !told {
			fmt.Fprintf(&b, "%s: %s\n", cell(r.Name), oneLine(r.Error))
		}
		if r.Remedy != "" && !told {
			fmt.Fprintf(&b, "%s: do: %s\n", cell(r.Name), r.Remedy)
		}
	}
	fmt.Fprintf(&b, "\nconflicts %d, violations %d, quarantined %d\n", st.Conflicts, st.Violations, st.Quarantined)
	for _, warning := range st.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", oneLine(warning))
	}
	_, err := out.Write(b.Bytes())
	return err
}

// where is the address of a remote, one that it was learned from peers in
// parentheses.
func (r *remoteStatus) where() string {
	if r.Addr == "" && len(r.Learned) > 0 {
		return "(" + strings.Join(r.Learned, ",") + ")"
	}
	return dash(r.Addr)
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
func (st *status) lacks(r *remoteStatus) string {
	if !r.Push {
		return "gets nothing"
	}
	sealed, pending := st.missing(r)
	if pending > 0 {
		return fmt.Sprintf("%s, %d pending", countOf(sealed, "change"), pending)
	}
	return countOf(sealed, "change")
}

// behindFor is the age of the oldest change that a remote lacks, be it sealed or
// not.
func (st *status) behindFor(r *remoteStatus) string {
	var most float64
	for _, s := range r.LagSeconds {
		most = max(most, s)
	}
	for _, d := range st.Datasets {
		if _, gets := r.Lag[d.Dataset]; gets && d.Enabled {
			most = max(most, d.PendingSeconds)
		}
	}
	if most == 0 || !r.Push {
		return "-"
	}
	d := time.Duration(most * float64(time.Second))
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
