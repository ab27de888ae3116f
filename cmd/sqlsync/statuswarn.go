package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
)

// warn warns of what the database itself tells.
func (st *status) warn(have *cdc.Status) {
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
		if t.Left || st.relays() {
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
	for _, u := range have.Uncompared {
		st.Uneven = append(st.Uneven, unevenTable{u.Table, u.Dataset, u.Remote, !u.Alone})
		if u.Alone {
			st.Warnings = append(st.Warnings, fmt.Sprintf("table %s may differ from %s's since its policy was changed, and nothing compares it by itself: sqlsync verify %s does", u.Table, u.Remote, u.Remote))
		} else {
			st.Warnings = append(st.Warnings, fmt.Sprintf("table %s is being compared with %s since its policy was changed: rows that differ become the same by themselves", u.Table, u.Remote))
		}
	}
	for _, i := range have.Imports {
		st.Warnings = append(st.Warnings, importWarning(i))
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
}
