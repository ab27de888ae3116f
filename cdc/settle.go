package cdc

import (
	"slices"
	"strings"

	"sqlsync/merge"
	"sqlsync/wire"
)

// A value is listed as lost to what stands, whoever it met first: which
// conflicts a node lists depends on what it holds and not on the order in which
// it came. So when another write to a row comes, what is listed of the row is
// looked at again:
//
//   - its author had seen the loser and not the winner: then the loser was
//     replaced by its own side, and is lost to nobody;
//   - its author had not seen the loser, and the write wins: then it is that
//     write which the loser has lost to, unless the two are equal;
//   - its author had seen both and writes what was lost: then that is lost no
//     longer. Of two baselines the other one is, until somebody who has seen both
//     writes once more what stands: that is how a restore says that it is settled.

// listed is one conflict of a row.
type listed struct {
	id            string
	kind          merge.Kind
	winner, loser image
	won, lost     merge.Version
	beaten        beaten
	// born is the birth of the row that lost, or that a write was lost with; zero
	// where it is not known.
	born merge.Version
}

// versions are those of a row that a node knows of beside what stands.
type versions struct{ all, births []merge.Version }

func (k *versions) add(l *listed) {
	k.all = append(append(k.all, l.won, l.lost), l.beaten...)
	if l.kind == merge.KindKey || l.kind == merge.KindRow {
		k.births = append(k.births, l.won)
	}
	if l.kind == merge.KindKey {
		k.births = append(k.births, l.lost)
	}
}

// settle looks again at what is listed of the row of a change, which has been
// decided and not yet enacted.
func (a *applier) settle(act *action) error {
	if a.remerging || len(a.listed) == 0 || !a.listed[string(a.tab.listedKey(act.c.Key))] {
		return nil
	}
	list, err := a.listedOf(act.c.Key)
	if err != nil {
		return err
	}
	var others versions
	for i := range list {
		others.add(&list[i])
	}
	for i := range list {
		l := &list[i]
		// The author of a delete may have had another baseline than this node.
		act.otherBaseline = act.otherBaseline || l.lost.HLC.Baseline() && l.lost.Origin == a.origin ||
			l.won.HLC.Baseline() && l.won.Origin == a.origin
		if err := a.settleOne(act, l, &others); err != nil {
			return err
		}
	}
	return nil
}

// hasConflicts reports whether anything is listed of a table.
func (t *tx) hasConflicts(tab *table) (bool, error) {
	n, err := t.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_conflict WHERE table_id = ?)`, tab.id)
	return n > 0, err
}

// listedAmong returns those of the keys of which something is listed, as
// listedKey spells them. Most have none, and one look for many of them is cheaper than one each.
func (a *applier) listedAmong(keys [][]wire.Value) (map[string]bool, error) {
	if a.remerging || a.metaOnly || !a.conflicts {
		return nil, nil
	}
	found := make(map[string]bool)
	for part := range parts(keys, 1) {
		args := append(a.args[:0], a.tab.id, string(kindUnique))
		for _, key := range part {
			args = append(args, a.tab.listedKey(key))
		}
		a.args = args
		err := a.Query(func(row []any) error {
			found[string(row[0].([]byte))] = true
			return nil
		}, `SELECT key FROM sqlsync_conflict WHERE table_id = ? AND kind <> ? AND key IN (?`+strings.Repeat(`, ?`, len(part)-1)+`)`, args...)
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (a *applier) listedOf(key []wire.Value) (list []listed, err error) {
	err = a.Query(func(row []any) error {
		l := listed{id: row[0].(string), kind: merge.Kind(row[7].(string))}
		var ok, ok2 bool
		l.won, ok = a.version(row[3], row[4])
		l.lost, ok2 = a.version(row[5], row[6])
		if !ok || !ok2 {
			return nil // of an origin that has no number: nobody's
		}
		var err error
		if l.beaten, err = a.decodeBeaten(row[8]); err != nil {
			return err
		}
		if l.winner, err = decodeImage(row[1].([]byte)); err != nil {
			return err
		}
		l.born, _ = a.version(row[9], row[10])
		l.loser, err = decodeImage(row[2].([]byte))
		list = append(list, l)
		return err
	}, `SELECT id, winner, loser, winner_hlc, winner_origin, loser_hlc, loser_origin, kind, beaten, born_hlc, born_origin FROM sqlsync_conflict
		WHERE table_id = ? AND key = ? AND kind <> ?`, a.tab.id, a.tab.listedKey(key), string(kindUnique))
	return list, err
}

// saw reports whether the change's author had seen a version.
func (a *applier) saw(v merge.Version) bool {
	return v.Origin == a.origin || v.HLC.Seal() <= a.seen(v.Origin)
}

func (a *applier) settleOne(act *action, l *listed, others *versions) error {
	v := act.c.Version(a.origin)
	if act.c.Op == merge.Insert {
		v = act.c.BirthAt(a.origin) // a baseline competes by less
	}
	switch {
	case l.lost == v || l.won == v:
		return nil // it came again
	case a.saw(l.lost) && !a.saw(l.won) && !a.sawLater(act, l, others):
		l.loser, l.winner = a.without(l.loser, act), a.without(l.winner, act)
	case !a.saw(l.lost) && a.wins(act) && v.After(l.won):
		l.beaten.add(l.won)
		l.won = v
		for i, c := range act.cells {
			l.repoint(a.tab.cells[c].name, act.values[i])
		}
	case a.saw(l.lost) && a.saw(l.won) && a.wins(act) && a.putsBack(act, l):
		if l.kind == merge.KindBaseline {
			return a.turnListed(l.id)
		}
		l.loser = nil
	case l.kind == merge.KindBaseline && a.saw(l.lost) && a.saw(l.won) && a.wins(act) && a.insists(act, l):
		l.loser = nil
	case !a.saw(l.lost) && v.After(l.lost) && l.beaten.add(v):
	default:
		return nil
	}
	if len(l.loser) == 0 {
		_, err := a.Exec(`DELETE FROM sqlsync_conflict WHERE id = ?`, l.id)
		return err
	}
	origin, err := a.tx.origin(l.won.Origin)
	if err != nil {
		return err
	}
	by, err := a.encodeBeaten(l.beaten)
	if err != nil {
		return err
	}
	_, err = a.Exec(`UPDATE sqlsync_conflict SET winner = ?, loser = ?, winner_hlc = ?, winner_origin = ?, beaten = ? WHERE id = ?`,
		l.winner.encode(), l.loser.encode(), int64(l.won.HLC), origin, by, l.id)
	return err
}

// sawLater reports whether a write that lost had lost where the change was made,
// too, and is not what the change replaced: its author had seen a later version of
// the row or another row with the key, whose birth is higher.
func (a *applier) sawLater(act *action, l *listed, others *versions) bool {
	if slices.ContainsFunc(others.all, func(v merge.Version) bool { return v.After(l.lost) && a.saw(v) }) {
		return true
	}
	if a.tab.rule == merge.WholeRow || l.born.IsZero() {
		return false
	}
	another := func(birth merge.Version) bool {
		return birth != l.born && !(birth.HLC.Baseline() && l.born.HLC.Baseline())
	}
	return act.c.Op != merge.Insert && another(act.c.Birth) ||
		slices.ContainsFunc(others.births, func(v merge.Version) bool { return another(v) && v.After(l.born) && a.saw(v) })
}

// putsBack reports whether after a change the row has what was lost.
func (a *applier) putsBack(act *action, l *listed) bool {
	writes := false
	for _, c := range l.loser {
		i := a.tab.cellNamed(c.name)
		if at := slices.Index(act.cells, i); at >= 0 {
			writes = true
			if hashValue(act.values[at]) != hashValue(c.value) {
				return false
			}
		} else if v, ok := l.winner.value(c.name); !ok || hashValue(v) != hashValue(c.value) {
			return false
		}
	}
	return writes
}

// insists reports whether a change writes what stands.
func (a *applier) insists(act *action, l *listed) bool {
	for _, c := range l.loser {
		cell := a.tab.cellNamed(c.name)
		if cell >= 0 && a.tab.cells[cell].policy.Ordered() {
			continue // the values decide
		}
		at := slices.Index(act.cells, cell)
		if v, ok := l.winner.value(c.name); at < 0 || !ok || hashValue(act.values[at]) != hashValue(v) {
			return false
		}
	}
	return true
}

// wins reports whether something of the change stands.
func (a *applier) wins(act *action) bool {
	return act.out.Effect == merge.Replace || act.out.Effect == merge.Set && len(act.out.Columns)+len(act.out.Merged) > 0
}

// without drops what the change writes, which is everything for a delete.
func (a *applier) without(im image, act *action) image {
	if act.c.Op != merge.Update {
		return nil
	}
	return slices.DeleteFunc(im, func(c imageCell) bool {
		return slices.ContainsFunc(act.cells, func(i int) bool { return equalNames(a.tab.cells[i].name, c.name) })
	})
}

// repoint says what a value was lost to, or that it was not lost after all.
func (l *listed) repoint(name string, value wire.Value) {
	i := slices.IndexFunc(l.loser, func(c imageCell) bool { return equalNames(c.name, name) })
	if i < 0 {
		return
	}
	if hashValue(l.loser[i].value) == hashValue(value) && len(l.loser) == 1 {
		l.loser = nil
		return
	}
	l.winner = l.winner.set(name, value)
}
