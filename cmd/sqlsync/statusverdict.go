package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sqlsync/cmd/sqlsync/plural"
	"sqlsync/replicate"
)

// verdict says in one line whether everything is replicated, and if not, why.
func (st *status) verdict() (text string, replicated bool) {
	unread := st.unread()
	switch {
	case st.watched == 0 && !st.relays():
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
	} else if alone := st.alone(); alone != "" {
		text = fmt.Sprintf("dataset %s is not replicated: no remote has it; sqlsync remote set NAME --dataset %s gives it to one", cell(alone), cell(alone))
	} else {
		text, replicated = "everything is replicated", true
		r := st.cutOff()
		switch {
		case st.relays():
			text = "everything held is passed on"
		case r != nil:
			text = "everything written here is replicated"
		}
		if r != nil {
			text += fmt.Sprintf("; nothing comes from %s: %s", r.Name, st.why(r))
		}
	}
	switch {
	case unread != "":
		text += "; " + unread
	case st.relays():
		text += "; no table is watched here"
	}
	for _, x := range []struct {
		n    int64
		noun string
		what string
	}{
		{st.waiting, "table", "waiting and not merged"},
		{st.Quarantined, "row", "kept aside"},
	} {
		if x.n > 0 {
			text += fmt.Sprintf("; %s %s", plural.Are(x.n, x.noun), x.what)
		}
	}
	return text, replicated
}

// relays says that changes are only passed on here, from one remote to another
// or unread.
func (st *status) relays() bool { return st.watched == 0 && (st.passes || st.unread() != "") }

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

// alone is a dataset with tables that is exchanged with no remote, empty if there
// is none.
func (st *status) alone() string {
	for _, d := range st.Datasets {
		if d.Enabled && d.tables > 0 && !slices.ContainsFunc(st.Remotes, func(r remoteStatus) bool { return len(r.Datasets) == 0 || slices.Contains(r.Datasets, d.Dataset) }) {
			return d.Dataset
		}
	}
	return ""
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
	unsealed := st.unsealed(r)
	switch {
	case u != nil:
		return "dataset " + cell(u.Dataset) + ": " + u.Reason
	case r.Error != "":
		return oneLine(r.Error)
	case !st.Serving:
		return "sqlsync serve is not running here"
	case unsealed != "":
		return unsealed
	case r.State == string(replicate.Connected):
		return "on the way"
	case r.State == string(replicate.Retrying):
		return "it is being dialed"
	case r.nowhere() && r.seen():
		return "it has no address here and has not come back"
	case r.nowhere():
		return "it has no address here and has not connected"
	}
	return "there is no connection"
}

// sealedWithin is how long a serve may need to seal without a word about it.
const sealedWithin = 10 * time.Second

// unsealed says why what was written here is not even sealed, as far as that is
// out of the ordinary.
func (st *status) unsealed(r *remoteStatus) string {
	for _, d := range st.Datasets {
		if _, gets := r.Lag[d.Dataset]; !gets || d.Pending == 0 || !d.Enabled {
			continue
		}
		if i := slices.IndexFunc(st.troubles, func(t trouble) bool { return strings.HasPrefix(t.What, "seal") }); i >= 0 {
			return "cannot " + st.troubles[i].What + ": " + oneLine(st.troubles[i].Error)
		}
		if age := time.Duration(d.PendingSeconds * float64(time.Second)); age >= sealedWithin {
			return fmt.Sprintf("sqlsync serve has not sealed what was written %v ago; its log may say why", age.Round(time.Second))
		}
	}
	return ""
}

// nowhere says that no address is known, by people here or by peers' word.
func (r *remoteStatus) nowhere() bool { return r.Addr == "" && len(r.Learned) == 0 }

// seen says that it has connected at some time.
func (r *remoteStatus) seen() bool {
	for _, confirmed := range r.Confirmed {
		if len(confirmed) > 0 {
			return true
		}
	}
	return r.LastSync != "" || r.State == string(replicate.Connected)
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
