package main

import (
	"fmt"
	"slices"
	"strings"

	"sqlsync/cmd/sqlsync/plural"
	"sqlsync/replicate"
)

// verdict says in one line whether everything is replicated, and if not, why.
func (st *status) verdict() (text string, replicated bool) {
	unread := st.unread()
	switch {
	case st.watched == 0 && unread == "" && !st.passesOn():
		return "nothing is replicated: no table is watched", false
	case len(st.Remotes) == 0:
		return "nothing is replicated: there is no remote", false
	}
	if behind := st.behind(); len(behind) > 0 {
		sealed, pending := st.missing(behind[0])
		text = fmt.Sprintf("%s not on %s yet: %s", plural.Are(sealed+pending, "change"), behind[0].Name, st.why(behind[0]))
		if n := len(behind) - 1; n > 0 {
			text += fmt.Sprintf("; nor is everything on %s", countOf(int64(n), "other remote"))
		}
		if others := st.others(st.denied(behind[0])); others != "" {
			text += "; " + others
		}
	} else if others := st.others(nil); others != "" {
		text = others
	} else {
		text, replicated = "everything is replicated", true
		r := st.cutOff()
		switch {
		case st.watched == 0:
			text = "everything held is passed on"
		case r != nil:
			text = "everything written here is replicated"
		}
		if r != nil {
			text += fmt.Sprintf("; nothing comes from %s: %s", r.Name, st.why(r))
		}
	}
	switch {
	case st.watched == 0 && unread == "":
		text += "; no table is watched here"
	case unread != "":
		text += "; " + unread
	}
	for _, x := range []struct {
		n    int64
		noun string
		what string
	}{
		{st.waiting, "table", "waiting"},
		{st.Quarantined, "row", "kept aside"},
	} {
		if x.n > 0 {
			text += fmt.Sprintf("; %s %s", plural.Are(x.n, x.noun), x.what)
		}
	}
	return text, replicated
}

// passesOn reports whether there is something to pass on from one remote to
// another.
func (st *status) passesOn() bool {
	holds := slices.ContainsFunc(st.Datasets, func(d datasetStatus) bool { return len(d.Vector) > 0 })
	return holds && slices.ContainsFunc(st.Remotes, func(from remoteStatus) bool {
		return from.Pull && slices.ContainsFunc(st.Remotes, func(to remoteStatus) bool { return to.Push && to.Key != from.Key })
	})
}

// missing counts what a remote lacks: changes, and marks that are not sealed.
func (st *status) missing(r *remoteStatus) (sealed, pending int64) {
	for _, d := range st.Datasets {
		if n, ok := r.Lag[d.Dataset]; ok && d.Enabled {
			sealed, pending = sealed+n, pending+d.Pending
		}
	}
	return sealed, pending
}

// behind lists the remotes that lack something, the one that lacks most first.
func (st *status) behind() []*remoteStatus {
	var list []*remoteStatus
	total := func(r *remoteStatus) int64 {
		sealed, pending := st.missing(r)
		return sealed + pending
	}
	for i := range st.Remotes {
		if r := &st.Remotes[i]; r.Push && total(r) > 0 {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b *remoteStatus) int { return int(min(1, max(-1, total(b)-total(a)))) })
	return list
}

// cutOff is a remote from which nothing comes for now, nil if there is none.
func (st *status) cutOff() *remoteStatus {
	for i := range st.Remotes {
		if r := &st.Remotes[i]; r.Pull && r.State != string(replicate.Connected) {
			return r
		}
	}
	return nil
}

// why says why a remote does not have everything, or nothing comes from it.
func (st *status) why(r *remoteStatus) string {
	u := st.denied(r)
	switch {
	case u != nil:
		return "dataset " + cell(u.Dataset) + ": " + u.Reason
	case r.Error != "":
		return oneLine(r.Error)
	case !st.Serving:
		return "sqlsync serve is not running here"
	case r.State == string(replicate.Connected):
		return "they are on their way"
	case r.State == string(replicate.Retrying):
		return "it is being dialed"
	case r.Addr == "":
		return "it has no address here and has not connected"
	}
	return "there is no connection"
}

const otherKeyRemedy = "where it was rotated: sqlsync dataset rotate D --with KEYS on the side that has not got the new key; where one of the two made a key of its own and nothing is in it yet: sqlsync join with a ticket of the other to read it, or sqlsync dataset relay D to pass it on only"

// remedyFor is what to do about an error with a remote, empty where nothing is
// known to help.
func remedyFor(trouble, name, self string) string {
	for _, x := range []struct{ sign, remedy string }{
		{"does not know this key", "run there: sqlsync remote add NAME " + self},
		{"refused this key", "run there: sqlsync remote add NAME " + self},
		{"connection refused", "start sqlsync serve --listen there, or give the right address: sqlsync remote set " + name + " --addr HOST:PORT"},
		{"no such host", "check the name: sqlsync remote set " + name + " --addr HOST:PORT"},
		{"i/o timeout", "check that the machine is on, the address, and the firewalls between"},
		{"no route to host", "check the address and the network"},
		{"network is unreachable", "check this machine's network"},
		{"did not prove its key", "another program answers at the address, or another node: sqlsync remote set " + name + " --addr HOST:PORT"},
		{"two databases connect with its key", "on the machine that has the copy: sqlsync --db FILE key new --yes"},
		{"dataset is disabled", "run there: sqlsync dataset enable D; or leave it out here: sqlsync remote set " + name + " --dataset D"},
		{"different keys of the private dataset", otherKeyRemedy},
		{"not encrypted with a key of the dataset that is here", otherKeyRemedy},
		{"no such dataset", "watch tables in the dataset there, or leave it out: sqlsync remote set " + name + " --dataset D"},
		{"refused: dataset", "allow it there: sqlsync remote set NAME --dataset D; or leave it out here: sqlsync remote set " + name + " --dataset D"},
		{"no common protocol version", "upgrade the older sqlsync"},
		{"behind what is kept here", "it takes a snapshot when both run this version; or make it anew: sqlsync clone"},
		{"clock", "set the clocks of both machines, by NTP best"},
	} {
		if strings.Contains(trouble, x.sign) {
			return x.remedy
		}
	}
	return ""
}
