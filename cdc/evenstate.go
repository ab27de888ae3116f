package cdc

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"sqlsync/merge"
	"sqlsync/wire"
)

// restateRows joins rows with the peer's, by the ordinary rules, and states what
// comes of it again. What either side had and what does not stand is listed.
func (ev *evener) restateRows(differ map[string]bool, mine, theirs map[string]*tale) error {
	for _, b := range ev.parts {
		if err := ev.join(b, differ); err != nil {
			return err
		}
	}
	ids := slices.Sorted(maps.Keys(differ))
	var list []*tale
	for _, id := range ids {
		r := cmp.Or(mine[id], theirs[id])
		metas, err := ev.lookup(ev.tab, [][]wire.Value{r.key})
		if err != nil {
			return err
		}
		if m := &metas[0]; m.exists() {
			r.key = m.key
			ev.restatements = append(ev.restatements, restated{tab: ev.tab, key: m.key, born: !m.row.Dead, gone: m.row.Dead})
			list = append(list, r)
		}
	}
	if err := ev.restate(); err != nil {
		return err
	}
	if err := ev.finishMerge(); err != nil {
		return err
	}
	if err := ev.sealAll(ev.ds); err != nil {
		return err
	}
	for _, r := range list {
		id := string(ev.tab.listedKey(r.key))
		if err := ev.listLost(r.key, mine[id], theirs[id]); err != nil {
			return err
		}
	}
	return nil
}

// join merges those of the rows that a part tells which differ.
func (ev *evener) join(b *wire.Batch, differ map[string]bool) error {
	for i := range b.Sections {
		sec := &b.Sections[i]
		a, err := ev.newApplier(ev.tab, ev.ds, 0, &b.Header, &wire.Section{Table: sec.Table, Key: sec.Key, Columns: known(ev.tab, sec.Columns)})
		if err != nil {
			return err
		}
		if len(a.columns) != len(sec.Columns) {
			return errDamaged
		}
		a.fromSnapshot, a.remerging = true, true // what is lost is listed when it is known what stands
		changes := slices.DeleteFunc(slices.Clone(sec.Changes), func(c wire.Change) bool { return !differ[string(ev.tab.listedKey(c.Key))] })
		if err := a.checkWholes(changes); err != nil {
			return err
		}
		if err := a.mergeAll(changes); err != nil {
			return err
		}
	}
	return ev.adoptOrphans(ev.tab, ev.ds)
}

// listLost lists the cells in which a row was another here, or on the peer, than
// it is now.
func (ev *evener) listLost(key []wire.Value, was ...*tale) error {
	metas, err := ev.lookup(ev.tab, [][]wire.Value{key})
	if err != nil || !metas[0].exists() {
		return err
	}
	m := &metas[0]
	a := &applier{tx: ev.tx, tab: ev.tab}
	now, err := a.localImage(&action{m: m})
	if err != nil {
		return err
	}
	for _, r := range was {
		if r == nil || !r.alive {
			continue
		}
		l := merge.Loss{Kind: merge.KindCell, Winner: m.row.Latest, Loser: r.latest}
		var cells []int
		for _, c := range r.im {
			i := ev.tab.cellNamed(c.name)
			if v, _ := now.value(c.name); i >= 0 && hashValue(v) != hashValue(c.value) {
				cells = append(cells, i)
			}
		}
		switch {
		case now == nil:
			l.Kind = merge.KindDelete
			err = ev.writeConflict(ev.tab, key, l, nil, r.im)
		case len(cells) > 0:
			err = ev.writeConflict(ev.tab, key, l, a.only(now, cells), a.only(r.im, cells))
		}
		if err != nil {
			return fmt.Errorf("log conflict: %w", err)
		}
	}
	return nil
}

// restated is the loss of a row to one that was stated again by a node which had
// seen it: its author takes the two for one, and they need not be.
func (a *applier) restated(act *action) []merge.Loss {
	was := act.m.row
	if a.fromSnapshot || act.c.Op != merge.Insert || act.out.Effect != merge.Replace || was.Dead || act.m.state != alive ||
		len(act.out.Losses) > 0 || !was.Exists() || !a.saw(was.Birth) {
		return nil
	}
	return []merge.Loss{{Kind: merge.KindCell, Winner: act.out.Row.Birth, Loser: was.Latest}}
}
