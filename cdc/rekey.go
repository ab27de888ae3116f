package cdc

import (
	"fmt"
	"slices"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// Rekeying. Where two nodes gave one id to two rows, the row that loses gets
// another from its origin, and what that node wrote to refer to it follows by
// the declared foreign keys, also where those are part of a key. All of it is
// an ordinary change: marked, sealed and sent like the application's.

// keyLoss is a row of this node's that lost its key to a row of another's.
type keyLoss struct {
	tab *table
	key []wire.Value
	im  image // as it was, with its key
	// equal says that the other row has the same values: it is the same row,
	// unless what it refers to is not.
	equal bool
	loss  merge.Loss
	meant meant
}

// id is that of the conflict.
func (r *keyLoss) id() string { return conflictID(r.tab.name, r.tab.listedKey(r.key), r.loss) }

// moved is a row some columns of which have other values now.
type moved struct {
	tab *table
	was image
	now image // only what changed
	// A write here that refers to the row's key means this row and not another
	// that had it if it was made after from and up to upTo, 0 for ever.
	from, upTo merge.HLC
	// listed is the conflict by which a row of this node's lost its key, "" for
	// none; meant is since when it refers to what it does.
	listed string
	meant  meant
	// by is who moved it, where it was not this node.
	by merge.NodeID
}

// noteKeyLoss notes a row of this node's that is about to lose its key, if it
// may be given another: by its table's policy or by what it refers to.
func (a *applier) noteKeyLoss(act *action, l merge.Loss, equal bool) error {
	if a.remerging || l.Kind != merge.KindKey || l.Incoming || !a.mine(l.Loser.Origin) || a.metaOnly || a.same(l) {
		return nil
	}
	if !a.tab.rekeys() {
		return nil
	}
	if again, err := a.restatedHere(a.tab, l.Loser); err != nil || again {
		return err
	}
	im, err := a.localImage(act)
	if err != nil || im == nil {
		return err
	}
	since, err := a.meantOf(a.tab, act.m)
	a.keyLosses = append(a.keyLosses, keyLoss{a.tab, act.m.key, a.tab.withKey(act.m.key, im), equal, l, since})
	return err
}

// same reports whether the two rows are one that this node has sealed twice, as
// two authors: its mark was in the file that was put back.
func (a *applier) same(l merge.Loss) bool {
	return a.mine(l.Winner.Origin) && l.Winner.HLC == l.Loser.HLC
}

// rekeys says that a row of the table which loses its key may get another.
func (tab *table) rekeys() bool { return tab.merging.IDs == idsRekey || len(tab.keyReferences()) > 0 }

// givesIDs says that such a row gets the table's next id.
func (tab *table) givesIDs() bool {
	return tab.merging.IDs == idsRekey && len(tab.keyReferences()) == 0
}

// keyReferences are the foreign keys that have columns in the table's key.
func (tab *table) keyReferences() (list []schema.ForeignKey) {
	if tab.def == nil {
		return nil
	}
	for _, fk := range tab.def.ForeignKeys {
		if slices.ContainsFunc(fk.Columns, func(c int) bool { return keyPlace(tab.key, c) >= 0 }) {
			list = append(list, fk)
		}
	}
	return list
}

// withKey adds the key to an image.
func (tab *table) withKey(key []wire.Value, im image) image {
	im = slices.Clone(im)
	for i, name := range tab.keyNames() {
		if !im.has(name) {
			im = append(im, imageCell{name, key[i]})
		}
	}
	return im
}

// keyOf is the key of a row in an image that has it.
func (tab *table) keyOf(im image) []wire.Value {
	key := make([]wire.Value, len(tab.key))
	for i, name := range tab.keyNames() {
		key[i], _ = im.value(name)
	}
	return key
}

// rekey gives the rows that lost their keys new ones. A row that a constraint
// refuses under its new key stays in the conflict list, and what refers to it
// as it was.
func (t *tx) rekey() error {
	rows, elsewhere, along := t.keyLosses, t.rekeyed, t.alongside
	t.keyLosses, t.rekeyed, t.alongside = nil, nil, nil
	if len(rows) == 0 && len(elsewhere) == 0 && len(along) == 0 {
		return nil
	}
	// Who tells by what was deleted where a row has gone needs both at once.
	t.together = true
	defer func() { t.together = false }()
	if err := t.keepMeant(rows); err != nil {
		return err
	}
	moves, err := t.newKeys(rows)
	if err != nil {
		return err
	}
	for i := 0; i < len(moves); i++ {
		inserted, err := t.insertMoved(&moves[i], moves)
		if err != nil {
			return fmt.Errorf("give a row of %s another key: %w", moves[i].tab.name, err)
		}
		if !inserted { // what was inserted before it and refers to it goes back
			moves[i].was, moves[i].now = moves[i].was.with(moves[i].now), moves[i].was.only(moves[i].now)
		}
	}
	if err := t.sealMoved(moves); err != nil {
		return err
	}
	gone, err := t.movedAlong(along)
	if err != nil {
		return err
	}
	dirty := make(map[*dataset]bool)
	for moves = slices.Concat(moves, elsewhere, gone); len(moves) > 0; {
		dirty[moves[0].tab.ds] = true
		more, err := t.follow(moves[0])
		if err != nil {
			return err
		}
		back, err := t.reclaim(moves[0])
		if err != nil {
			return err
		}
		moves = slices.Concat(moves[1:], more, back)
	}
	// A batch that comes later in this transaction must not count as seen.
	for ds := range dirty {
		if err := t.sealAll(ds); err != nil {
			return err
		}
	}
	return nil
}

// sealMoved seals rows that were inserted under new keys, and keeps with their
// conflicts since when they refer to what they refer to.
func (t *tx) sealMoved(moves []moved) error {
	for i := range moves {
		if err := t.sealAll(moves[i].tab.ds); err != nil {
			return err
		}
	}
	for i := range moves {
		m := &moves[i]
		metas, err := t.lookup(m.tab, [][]wire.Value{m.tab.keyOf(m.was.with(m.now))})
		if err != nil {
			return err
		}
		if m.listed == "" || !metas[0].exists() || !t.mine(metas[0].row.Birth.Origin) {
			continue
		}
		var stay meant
		for _, at := range m.meant {
			if !m.now.has(at.column) {
				stay = append(stay, at)
			}
		}
		if err := t.writeMeant(m.listed, metas[0].row.Birth.HLC, stay); err != nil {
			return err
		}
	}
	return nil
}

// insertMoved inserts a row under its new key, referring to what others of the
// moved rows are now.
func (t *tx) insertMoved(m *moved, moves []moved) (bool, error) {
	row := m.was
	if len(m.tab.keyReferences()) == 0 {
		row = row.with(m.now)
	}
	for _, other := range moves {
		row = row.with(m.tab.following(row, other))
	}
	return t.insertAs(m, row)
}

// insertAs inserts a row of this node's as it is now.
func (t *tx) insertAs(m *moved, row image) (bool, error) {
	key := m.tab.keyOf(row)
	if keyText(key) == keyText(m.tab.keyOf(m.was)) { // what it refers to stayed
		return false, nil
	}
	m.now = row.changedFrom(m.was)
	inserted, err := t.insertImage(m.tab, &heldItem{key: key, im: row})
	if !inserted {
		if refusable(err) {
			err = nil
		}
		return false, err
	}
	if err := t.mark(m.tab, key); err != nil {
		return false, err
	}
	return true, t.nameRekeyed(m.tab, m.listed, key, row)
}

// insertedAnew looks whether a row that came is one which is listed as lost:
// its origin has given it another key. What this node wrote to refer to it
// before it knew of the other follows.
func (a *applier) insertedAnew(act *action) error {
	row := a.tab.imageOf(act.cells, act.values)
	m, found, err := a.noteRekeyed(a.tab, a.origin, row, act.c.Key)
	switch {
	case err != nil:
		return err
	case !found:
		a.noteAlongside(act, row)
	case m == nil:
	case act.out.Effect != merge.Replace: // it has lost that key too, and is given yet another
		act.carried = m
	default:
		a.rekeyed = append(a.rekeyed, *m)
	}
	return nil
}

// carry keeps with the conflict that a rekeyed row lost again where references
// to it are.
func (a *applier) carry(act *action, l merge.Loss) error {
	if act.carried == nil || !l.Incoming || l.Kind != merge.KindKey {
		return nil
	}
	_, err := a.Exec(`UPDATE sqlsync_conflict SET referred = ?, shown = ? WHERE id = ?`,
		a.tab.listedKey(a.tab.keyOf(act.carried.was)), int64(act.carried.upTo), conflictID(a.tab.name, a.tab.listedKey(act.c.Key), l))
	return err
}

// noteRekeyed notes of a row that came from a node that it is one which is
// listed as lost, under another key, and returns how it has moved: nil if it was
// never in the table here.
func (a *applier) noteRekeyed(tab *table, node merge.NodeID, row image, key []wire.Value) (m *moved, found bool, err error) {
	origin, err := a.tx.origin(node)
	if err != nil {
		return nil, false, err
	}
	var id string
	err = a.Query(func(r []any) error {
		lost, err := decodeImage(r[1].([]byte))
		if err != nil || !tab.sameButReferences(lost, row) {
			return err
		}
		won, _ := a.version(r[4], r[5])
		was, _ := a.version(r[6], r[7])
		if was.Origin != node && !(a.saw(was) && a.saw(won)) {
			return nil
		}
		old, err := wire.DecodeRow(r[2].([]byte))
		if err != nil {
			return errDamaged
		}
		if len(old) != len(tab.key) { // the table had another key
			return nil
		}
		id, found = r[0].(string), true
		if upTo, shown := r[3].(int64); shown {
			image := tab.withKey(old, lost)
			m = &moved{tab: tab, was: image, now: tab.withKey(key, row).changedFrom(image), upTo: merge.HLC(upTo), by: node}
		}
		return sqlconn.Stop
	}, `SELECT id, loser, coalesce(referred, key), shown, winner_hlc, winner_origin, loser_hlc, loser_origin FROM sqlsync_conflict
		WHERE table_id = ? AND kind = ? AND rekeyed IS NULL ORDER BY loser_origin <> ?, loser_hlc`, tab.id, string(merge.KindKey), origin)
	if err != nil || !found {
		return nil, false, err
	}
	if err := a.nameRekeyed(tab, id, key, row); err != nil || m == nil {
		return nil, true, err
	}
	m.from, err = a.shownBefore(tab, tab.keyOf(m.was), m.upTo)
	return m, true, err
}

// shownBefore is up to when another row was in the table here under a key whose
// row was there until upTo, 0 for ever.
func (t *tx) shownBefore(tab *table, key []wire.Value, upTo merge.HLC) (merge.HLC, error) {
	from, err := t.Int(`SELECT coalesce(max(shown), 0) FROM sqlsync_conflict WHERE table_id = ?1 AND kind = ?2 AND key = ?3 AND (?4 = 0 OR shown < ?4)`,
		tab.id, string(merge.KindKey), tab.listedKey(key), int64(upTo))
	return merge.HLC(from), err
}

// nameRekeyed notes with a conflict where the row is that lost its key, also
// with those by which it had lost the keys before that, and with those of
// updates of the row that it has.
func (t *tx) nameRekeyed(tab *table, id string, key []wire.Value, row image) error {
	if id == "" {
		return nil
	}
	ids := []string{id}
	err := t.Query(func(r []any) error {
		was, err := decodeImage(r[1].([]byte))
		if err != nil {
			return err
		}
		lost, err := decodeImage(r[2].([]byte))
		if err != nil {
			return err
		}
		if r[3] == string(merge.KindRow) && row.holds(lost) || r[3] == string(merge.KindKey) && tab.sameButReferences(was, lost) {
			ids = append(ids, r[0].(string))
		}
		return nil
	}, `SELECT e.id, c.loser, e.loser, e.kind FROM sqlsync_conflict AS c JOIN sqlsync_conflict AS e ON e.table_id = c.table_id
		AND (e.kind = c.kind AND e.rekeyed = c.key AND e.loser_origin = c.loser_origin OR e.kind = ? AND e.key = c.key AND e.rekeyed IS NULL)
		WHERE c.id = ? AND e.id <> c.id`, string(merge.KindRow), id)
	now := wire.AppendRow(nil, key)
	for _, id := range ids {
		if err == nil {
			_, err = t.Exec(`UPDATE sqlsync_conflict SET rekeyed = ? WHERE id = ?`, now, id)
		}
	}
	return err
}

// sameButReferences compares two images of a row without the key and the
// columns that refer to other rows.
func (tab *table) sameButReferences(a, b image) bool {
	for i := range tab.cells {
		name := tab.cells[i].name
		v, _ := a.value(name)
		w, _ := b.value(name)
		if tab.cells[i].key < 0 && !tab.def.Refers(tab.def.Column(name)) && hashValue(v) != hashValue(w) {
			return false
		}
	}
	return true
}

// newKeys decides on the keys: the next ids for rows of tables that are rekeyed,
// and for rows whose keys hold what they refer to, whatever that has become.
// One that refers to a row which stays has no other key.
func (t *tx) newKeys(rows []keyLoss) (moves []moved, err error) {
	// Rows that are alike get their keys in the order of their births, by which
	// others tell which is which.
	slices.SortStableFunc(rows, func(a, b keyLoss) int { return a.loss.Loser.Compare(b.loss.Loser) })
	next := make(map[int64]int64)
	give := func(r keyLoss) error {
		if next[r.tab.id] == 0 {
			if next[r.tab.id], err = t.nextID(r.tab); err != nil {
				return err
			}
		}
		moves = append(moves, moved{tab: r.tab, was: r.im, now: image{{r.tab.keyNames()[0], next[r.tab.id]}}, listed: r.id(), meant: r.meant})
		next[r.tab.id]++
		return nil
	}
	var rest []keyLoss
	for _, r := range rows {
		if r.tab = t.cfg.byID[r.tab.id]; r.tab == nil || r.tab.def == nil {
			continue
		}
		if r.equal || !r.tab.givesIDs() {
			rest = append(rest, r)
		} else if err := give(r); err != nil {
			return nil, err
		}
	}
	for i := 0; i < len(moves); i++ { // grows
		var still []keyLoss
		for _, r := range rest {
			now := r.tab.following(r.im, moves[i])
			switch {
			case slices.ContainsFunc(r.tab.keyNames(), now.has):
				moves = append(moves, moved{tab: r.tab, was: r.im, now: now, listed: r.id(), meant: r.meant})
			case len(now) > 0 && r.tab.givesIDs():
				if err := give(r); err != nil {
					return nil, err
				}
			default:
				still = append(still, r)
			}
		}
		rest = still
	}
	return moves, nil
}
