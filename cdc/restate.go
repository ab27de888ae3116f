package cdc

import (
	"fmt"
	"maps"
	"slices"

	"sqlsync/merge"
	"sqlsync/merge/cell"
	"sqlsync/schema"
	"sqlsync/wire"
)

// What one end of a chain says is in no batch that those who hold the other end
// will be sent. So where two nodes find that they hold different ends, each says
// again, as changes of its own, what the other's snapshot brought it, and what it
// has and the snapshot does not tell. Rows in which tables differ after a change of
// policies are stated again, too, and deletions that some have forgotten.

// restated is a row of another end of a chain that a snapshot brought, or did not
// tell.
type restated struct {
	tab *table
	key []wire.Value
	// born has it said as a new row, gone as a deleted one; else its cells in slots
	// are. What a policy has joined of several writes no update says, so such a row
	// is new.
	born, gone bool
	slots      []int
	// unsure says that the row may have been deleted elsewhere.
	unsure bool
}

// restates notes what changes of a forked origin came to: nobody who holds the
// end that is held here will be told of them otherwise.
func (a *applier) restates(actions []action) {
	for i := range actions {
		act := &actions[i]
		r := restated{tab: a.tab, key: act.metaKey()}
		switch act.out.Effect {
		case merge.Replace:
			r.born = true
		case merge.Remove:
			r.gone = true
		case merge.Set:
			r.slots, r.born = act.out.Columns, len(act.out.Merged)+len(act.out.Rebased) > 0
		default:
			continue
		}
		a.restatements = append(a.restatements, r)
	}
}

// remind has the deletion of a row said again that comes from a node which has not
// heard of it: as a baseline, since that node has a copy from before, or as a row
// that was inserted before the deleted one was, by a node that was away. Others may
// have forgotten the deletion by now and taken the row for a new one. Whoever
// remembers says so.
func (a *applier) remind(act *action) {
	late := act.c.Baseline || act.c.Op == merge.Insert && act.c.BirthAt(a.origin) != act.m.row.Birth
	if late && act.m.row.Dead && act.out.Effect == merge.Keep && !a.remerging && a.tab.rule != merge.WholeRow && !a.mine(a.origin) {
		a.reminders = append(a.reminders, restated{tab: a.tab, key: act.m.key, gone: true})
	}
}

// restate makes what a snapshot brought of another end a change of this node's:
// the metadata forgets it, and the seal finds it. That is at once: until then, a row
// that is said to be gone would pass for one that is there, and what the application
// inserts for an update of it.
func (t *tx) restate() error {
	list := t.restatements
	if len(list) == 0 {
		return nil
	}
	t.restatements = nil
	var tables []*table
	unsure := make(map[string]bool)
	for _, r := range list {
		metas, err := t.lookup(r.tab, [][]wire.Value{r.key})
		if err != nil {
			return err
		}
		m := &metas[0]
		switch {
		case !m.exists() || r.gone != m.row.Dead:
			continue // by now it is something else
		case m.state == held:
			t.heldAgain.add(r.tab, m.key)
		case r.born:
			err = t.forget(r.tab, m.key)
		case r.gone:
			m.row.Dead, m.state = false, alive
			err = t.remember(r.tab, []remembered{{m.key, m}})
		default:
			for _, slot := range r.slots {
				m.hashes = m.hashes.with(slot, otherHash(m.hashes.at(slot)))
			}
			err = t.remember(r.tab, []remembered{{m.key, m}})
		}
		if err == nil {
			err = t.mark(r.tab, r.key)
		}
		if err != nil {
			return fmt.Errorf("restate a row of %s: %w", r.tab.name, err)
		}
		if r.unsure && r.born {
			unsure[r.tab.name] = true
		}
		if !slices.Contains(tables, r.tab) {
			tables = append(tables, r.tab)
		}
	}
	if err := t.sealRestated(tables); err != nil {
		return err
	}
	return t.tellsAgain(slices.Sorted(maps.Keys(unsure)))
}

// sealRestated seals what restate has marked in tables, and notes which births are
// of rows that were there before.
func (t *tx) sealRestated(tables []*table) error {
	before := t.clock.Last
	for _, tab := range tables {
		if err := t.sealAll(tab.ds); err != nil {
			return err
		}
	}
	t.heldAgain = nil
	if t.clock.Last == before {
		return nil
	}
	for _, tab := range tables {
		if _, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_restated (table_id, first, last) VALUES (?, ?, ?)`, tab.id, int64(before)+1, int64(t.clock.Last)); err != nil {
			return fmt.Errorf("note what was stated again: %w", err)
		}
	}
	return nil
}

// sayAgain is restate of what remind has noted.
func (t *tx) sayAgain() error {
	t.restatements, t.reminders = slices.Concat(t.restatements, t.reminders), nil
	return t.restate()
}

// forget drops the metadata of a row.
func (t *tx) forget(tab *table, key []wire.Value) error {
	if err := t.takeOut(tab, [][]wire.Value{key}); err != nil {
		return err
	}
	_, err := t.Exec(`DELETE FROM `+tab.meta()+` WHERE `+tab.list("k%d = ?", " AND ", len(tab.key)), key...)
	return err
}

// keep notes the rows in ranges of a table that are here by this node's end of a
// chain, or by what nobody is known to have of its own chains, and that a peer's
// parts do not tell.
func (t *tx) keep(ds *dataset, name string, ranges []wire.KeyRange, parts []*wire.Sealed, alone map[merge.NodeID]merge.HLC) error {
	tab := t.cfg.byName[schema.Fold(name)]
	if tab == nil || tab.def == nil || tab.ds.id != ds.id || tab.waiting != "" || tab.appends() {
		return nil
	}
	open, err := t.endsUntold(tab)
	if err != nil || len(open)+len(alone) == 0 {
		return err
	}
	above := maps.Clone(alone)
	if above == nil {
		above = make(map[merge.NodeID]merge.HLC)
	}
	for origin := range open {
		above[origin] = 0
	}
	told, err := toldVersions(parts, above)
	if err != nil {
		return err
	}
	look := func(key []wire.Value, m *meta) error {
		key = slices.Clone(key)
		only := func(v merge.Version) bool {
			from, ours := above[v.Origin]
			return ours && v.HLC.Seal() > from && !told[telling{keyText(key), v.Origin, v.HLC.Seal()}]
		}
		if kept := keptOf(tab, m, only); kept != nil {
			kept.tab, kept.key, kept.unsure = tab, key, kept.born && !open[m.row.Birth.Origin]
			t.restatements = append(t.restatements, *kept)
		}
		return nil
	}
	return t.metasIn(tab, ranges, look)
}

// keptOf is what of a row is only here, nil if nothing is.
func keptOf(tab *table, m *meta, only func(merge.Version) bool) *restated {
	switch {
	case m.row.Dead:
		if m.row.Latest != m.row.Birth && only(m.row.Latest) {
			return &restated{gone: true}
		}
		return nil
	case only(m.row.Birth):
		return &restated{born: true}
	case tab.rule == merge.WholeRow:
		if m.row.Latest == m.row.Birth || !only(m.row.Latest) {
			return nil
		}
		_, slots := tab.everything()
		return &restated{slots: slots}
	}
	var slots []int
	for _, c := range m.row.Cells {
		if only(c.Version) {
			slots = append(slots, c.Column)
		}
	}
	if slots == nil {
		return nil
	}
	joined := slices.ContainsFunc(tab.cells, func(c tableCell) bool {
		return c.policy.Kind != cell.LastWriter && slices.Contains(slots, c.slot)
	})
	return &restated{slots: slots, born: joined}
}

// telling is one version of a row that a part tells.
type telling struct {
	key    string
	origin merge.NodeID
	hlc    merge.HLC
}

func toldVersions(parts []*wire.Sealed, of map[merge.NodeID]merge.HLC) (map[telling]bool, error) {
	told := make(map[telling]bool)
	for _, p := range parts {
		b, err := p.Open(wire.Limits{})
		if err != nil {
			return nil, err
		}
		if _, ok := of[b.Header.Origin]; !ok {
			continue
		}
		for i := range b.Sections {
			for _, c := range b.Sections[i].Changes {
				told[telling{keyText(c.Key), b.Header.Origin, c.HLC}] = true
			}
		}
	}
	return told, nil
}

// endsUntold are the origins of which rows of the table at another end are still to
// be merged. A peer that had the other end may not have told the table; then it
// is to be had from a peer that does.
func (t *tx) endsUntold(tab *table) (map[merge.NodeID]bool, error) {
	open := make(map[merge.NodeID]bool)
	err := t.Query(func(row []any) error {
		open[t.cfg.origins.node[row[0].(int64)]] = true
		return nil
	}, `SELECT origin_id FROM sqlsync_fork WHERE dataset_id = ? AND (merged IS NULL OR (SELECT needs FROM sqlsync_table WHERE id = ?))`, tab.ds.id, tab.id)
	return open, err
}
