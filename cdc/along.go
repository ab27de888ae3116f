package cdc

import (
	"slices"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// Rows that have the key of another in theirs go along with it when it is
// rekeyed: their author deletes them and inserts them under another key. Nodes
// to which that comes tell by the key that the other had.

// alongside is a row that came and may have gone along.
type alongside struct {
	tab *table
	row image // with its key
	by  merge.NodeID
	// lost is the conflict by which it lost that key, too, "" if it did not.
	lost string
}

// noteAlongside notes a row of another node's whose key has what may have been
// rekeyed.
func (a *applier) noteAlongside(act *action, row image) {
	if len(a.tab.keyReferences()) == 0 {
		return
	}
	came := alongside{tab: a.tab, row: a.tab.withKey(act.c.Key, row), by: a.origin}
	if act.out.Effect != merge.Replace {
		came.lost = conflictID(a.tab.name, a.tab.listedKey(act.c.Key), merge.Loss{Kind: merge.KindKey, Loser: act.c.BirthAt(a.origin)})
	}
	a.alongside = append(a.alongside, came)
}

// mayGoAlong reports whether a key of the table may have the key of a row that
// was rekeyed in it, directly or through other tables.
func (t *tx) mayGoAlong(tab *table) (bool, error) {
	passed := map[int64]bool{tab.id: true}
	for list := []*table{tab}; len(list) > 0; list = list[1:] {
		for _, fk := range list[0].keyReferences() {
			parent := t.cfg.byName[schema.Fold(fk.Parent)]
			if parent == nil || parent.def == nil || passed[parent.id] {
				continue
			}
			passed[parent.id] = true
			list = append(list, parent)
			n, err := t.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_conflict WHERE table_id = ? AND rekeyed IS NOT NULL)`, parent.id)
			if err != nil || n > 0 {
				return n > 0, err
			}
			if slices.ContainsFunc(t.rekeyed, func(m moved) bool { return m.tab.id == parent.id }) {
				return true, nil
			}
		}
	}
	return false, nil
}

// movedAlong finds out which rows have gone along with rows that are known to
// have been rekeyed, or with one another.
func (t *tx) movedAlong(rows []alongside) (moves []moved, err error) {
	olds := make(formerKeys)
	for again := true; again; {
		again = false
		var rest []alongside
		for _, r := range rows {
			gone, err := t.goneAlong(r, olds)
			if err != nil {
				return nil, err
			}
			if len(gone) == 0 {
				rest = append(rest, r)
				continue
			}
			if again = true; r.lost == "" {
				moves = append(moves, gone...)
				if err := olds.read(t, r.tab); err != nil {
					return nil, err
				}
				for _, m := range gone {
					olds.add(m.tab, m.tab.keyOf(m.was.with(m.now)), m.tab.keyOf(m.was))
				}
				continue
			}
			for _, m := range gone { // what refers to it follows when it has yet another
				if _, err := t.Exec(`UPDATE sqlsync_conflict SET referred = ?, shown = ? WHERE id = ?`,
					r.tab.listedKey(r.tab.keyOf(m.was)), int64(t.clock.Next(0)), r.lost); err != nil {
					return nil, err
				}
			}
		}
		rows = rest
	}
	return moves, nil
}

// goneAlong tells from where a row has moved: more than one place if it has gone
// along more than once.
func (t *tx) goneAlong(r alongside, olds formerKeys) (gone []moved, err error) {
	for _, fk := range r.tab.keyReferences() {
		parent := t.cfg.byName[schema.Fold(fk.Parent)]
		if parent == nil || parent.def == nil {
			continue
		}
		key, ok := parent.keyReferred(fk, r.tab, r.row)
		if !ok {
			continue
		}
		if err := olds.read(t, parent); err != nil {
			return nil, err
		}
		for _, old := range olds[parent.id][keyText(key)] {
			was := slices.Clone(r.row)
			for i, name := range parent.namesReferred(fk) {
				was = was.set(r.tab.def.Columns[fk.Columns[i]].Name, old[slices.IndexFunc(parent.keyNames(), func(k string) bool { return equalNames(k, name) })])
			}
			metas, err := t.lookup(r.tab, [][]wire.Value{r.tab.keyOf(was)})
			if err != nil {
				return nil, err
			}
			if !metas[0].exists() || metas[0].state != dead || metas[0].row.Latest.Origin != r.by {
				continue
			}
			m := moved{tab: r.tab, was: was, now: r.row.changedFrom(was), by: r.by}
			if m.from, err = t.shownBefore(r.tab, r.tab.keyOf(was), 0); err != nil {
				return nil, err
			}
			gone = append(gone, m)
		}
	}
	return gone, nil
}

// formerKeys are the keys that rows had which are known to have moved, by table
// and the key that they have now.
type formerKeys map[int64]map[string][][]wire.Value

func (f formerKeys) add(tab *table, now, was []wire.Value) {
	if f[tab.id] == nil {
		f[tab.id] = make(map[string][][]wire.Value)
	}
	f[tab.id][keyText(now)] = append(f[tab.id][keyText(now)], was)
}

// read adds, once, what the list of conflicts knows of a table's rows.
func (f formerKeys) read(t *tx, tab *table) error {
	if f[tab.id] != nil {
		return nil
	}
	f[tab.id] = make(map[string][][]wire.Value)
	return t.Query(func(r []any) error {
		was, err := wire.DecodeRow(r[0].([]byte))
		if err != nil {
			return errDamaged
		}
		now, err := wire.DecodeRow(r[1].([]byte))
		if err != nil {
			return errDamaged
		}
		if len(was) == len(tab.key) && len(now) == len(tab.key) { // the table may have had another key
			f.add(tab, now, was)
		}
		return nil
	}, `WITH c AS (SELECT key, referred, rekeyed FROM sqlsync_conflict WHERE table_id = ? AND kind = ? AND rekeyed IS NOT NULL)
		SELECT key, rekeyed FROM c UNION SELECT referred, rekeyed FROM c WHERE referred IS NOT NULL`, tab.id, string(merge.KindKey))
}

// namesReferred are the columns of the table that a foreign key refers to.
func (tab *table) namesReferred(fk schema.ForeignKey) []string {
	if len(fk.ParentColumns) > 0 {
		return fk.ParentColumns
	}
	return tab.keyNames()
}

// keyReferred is the key of the row of tab that a row of a child refers to; ok
// says that it refers to one by its key.
func (tab *table) keyReferred(fk schema.ForeignKey, child *table, row image) (key []wire.Value, ok bool) {
	names := tab.namesReferred(fk)
	if len(names) != len(tab.key) || len(names) != len(fk.Columns) {
		return nil, false
	}
	key = make([]wire.Value, len(names))
	for i, name := range tab.keyNames() {
		at := slices.IndexFunc(names, func(n string) bool { return equalNames(n, name) })
		if at < 0 {
			return nil, false
		}
		if key[i], _ = row.value(child.def.Columns[fk.Columns[at]].Name); key[i] == nil {
			return nil, false
		}
	}
	return key, true
}

// reclaim inserts rows of this node's that are listed as lost and referred to a
// row that has moved: they go along. Those that lost their keys to a row that
// has moved have them back.
func (t *tx) reclaim(m moved) (more []moved, err error) {
	for _, tab := range t.cfg.tables {
		if tab.def == nil || !tab.rekeys() {
			continue
		}
		refers := slices.ContainsFunc(tab.def.ForeignKeys, func(fk schema.ForeignKey) bool { _, ok := m.columnsOf(fk); return ok })
		if !refers && tab.id != m.tab.id {
			continue
		}
		lost, err := t.lostHere(tab)
		if err != nil {
			return nil, err
		}
		for i := range lost {
			did, err := t.reclaimOne(&lost[i], m)
			if err != nil {
				return nil, err
			}
			if did {
				more = append(more, lost[i])
			}
		}
	}
	return more, nil
}

// lostHere are the rows of this node's that have lost their keys and have no
// others, each with the times between which references mean it.
func (t *tx) lostHere(tab *table) (list []moved, err error) {
	err = t.Query(func(r []any) error {
		im, err := decodeImage(r[2].([]byte))
		if err != nil {
			return err
		}
		key, err := wire.DecodeRow(r[1].([]byte))
		if err != nil {
			return errDamaged
		}
		if len(key) != len(tab.key) {
			return nil
		}
		m := moved{tab: tab, was: tab.withKey(key, im), listed: r[0].(string), upTo: merge.HLC(r[4].(int64))}
		if b, ok := r[5].([]byte); ok {
			if _, m.meant, err = decodeMeant(b); err != nil {
				return err
			}
		}
		for _, name := range tab.keyNames() {
			m.meant = append(m.meant, meantCell{name, merge.HLC(r[3].(int64))})
		}
		list = append(list, m)
		return nil
	}, `SELECT id, key, loser, loser_hlc, shown, meant FROM sqlsync_conflict WHERE table_id = ? AND kind = ? AND rekeyed IS NULL AND shown IS NOT NULL
		AND loser_origin IN (SELECT id FROM sqlsync_origin WHERE mine OR key IN (?, ?)) ORDER BY loser_hlc`,
		tab.id, string(merge.KindKey), t.author.Node[:], t.s.node[:])
	for i := range list {
		if err == nil {
			list[i].from, err = t.shownBefore(tab, tab.keyOf(list[i].was), list[i].upTo)
		}
	}
	return list, err
}

// reclaimOne inserts a row that was lost if it goes along with a moved one, or
// has its key back from it.
func (t *tx) reclaimOne(lost *moved, m moved) (bool, error) {
	tab := lost.tab
	now := tab.following(lost.was, m)
	for _, c := range now {
		if !m.means(lost.meant.at(c.name, 0)) {
			return false, nil
		}
	}
	switch {
	case slices.ContainsFunc(tab.keyNames(), now.has):
	case len(now) > 0 && tab.givesIDs():
		id, err := t.nextID(tab)
		if err != nil {
			return false, err
		}
		now = now.set(tab.keyNames()[0], id)
	case tab.id == m.tab.id && keyText(tab.keyOf(lost.was)) == keyText(tab.keyOf(m.was)) && m.by != (merge.NodeID{}) && len(tab.keyReferences()) > 0:
		return false, t.haveBack(lost)
	default:
		return false, nil
	}
	lost.now = now
	did, err := t.insertAs(lost, lost.was.with(now))
	if err != nil || !did {
		return false, err
	}
	return true, t.sealMoved([]moved{*lost})
}

// haveBack inserts a row under the key that it had lost. What refers to it
// does so still.
func (t *tx) haveBack(lost *moved) error {
	key := lost.tab.keyOf(lost.was)
	inserted, err := t.insertImage(lost.tab, &heldItem{key: key, im: lost.was})
	if !inserted {
		if refusable(err) {
			err = nil
		}
		return err
	}
	if err := t.mark(lost.tab, key); err != nil {
		return err
	}
	_, err = t.Exec(`DELETE FROM sqlsync_conflict WHERE id = ?`, lost.listed)
	return err
}
