package cdc

import (
	"fmt"
	"slices"
	"strings"

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
	birth merge.Version
}

// moved is a row some columns of which have other values now.
type moved struct {
	tab *table
	was image
	now image // only what changed
	// A write here that refers to the row's key means this row and not another
	// that had it if it was made after from and up to upTo, 0 for ever.
	from, upTo merge.HLC
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
	im, err := a.localImage(act)
	if err != nil || im == nil {
		return err
	}
	a.keyLosses = append(a.keyLosses, keyLoss{a.tab, act.m.key, a.tab.withKey(act.m.key, im), equal, l.Loser})
	return nil
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
	rows, elsewhere := t.keyLosses, t.rekeyed
	t.keyLosses, t.rekeyed = nil, nil
	if len(rows) == 0 && len(elsewhere) == 0 {
		return nil
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
	dirty := make(map[*dataset]bool)
	for moves = append(moves, elsewhere...); len(moves) > 0; {
		dirty[moves[0].tab.ds] = true
		more, err := t.follow(moves[0])
		if err != nil {
			return err
		}
		moves = append(moves[1:], more...)
	}
	// A batch that comes later in this transaction must not count as seen.
	for ds := range dirty {
		if err := t.sealAll(ds); err != nil {
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
	_, err = t.noteRekeyed(m.tab, t.author.Node, row, key)
	return true, err
}

// insertedAnew looks whether a row that came is one which is listed as lost:
// its origin has given it another key. What this node wrote to refer to it
// before it knew of the other follows.
func (a *applier) insertedAnew(act *action) error {
	m, err := a.noteRekeyed(a.tab, a.origin, a.tab.imageOf(act.cells, act.values), act.c.Key)
	if m == nil || err != nil {
		return err
	}
	if act.out.Effect != merge.Replace { // it has lost that key too, and is given yet another
		act.carried = m
		return nil
	}
	a.rekeyed = append(a.rekeyed, *m)
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

// noteRekeyed notes of a row of a node that it is one which is listed as lost,
// under another key, and returns how it has moved; nil if it is not.
func (t *tx) noteRekeyed(tab *table, node merge.NodeID, row image, key []wire.Value) (*moved, error) {
	origin, err := t.origin(node)
	if err != nil {
		return nil, err
	}
	var id string
	var m *moved
	var upTo int64
	var shown bool
	err = t.Query(func(r []any) error {
		lost, err := decodeImage(r[1].([]byte))
		if err != nil {
			return err
		}
		if !tab.sameButReferences(lost, row) {
			return nil
		}
		id = r[0].(string)
		upTo, shown = r[3].(int64)
		old, err := wire.DecodeRow(r[2].([]byte))
		if err != nil || len(old) != len(tab.key) {
			return errDamaged
		}
		was := tab.withKey(old, lost)
		m = &moved{tab: tab, was: was, now: tab.withKey(key, row).changedFrom(was)}
		return sqlconn.Stop
	}, `SELECT id, loser, coalesce(referred, key), shown FROM sqlsync_conflict WHERE table_id = ? AND kind = ? AND loser_origin = ? AND rekeyed IS NULL ORDER BY loser_hlc`,
		tab.id, string(merge.KindKey), origin)
	if err != nil || m == nil {
		return nil, err
	}
	if _, err := t.Exec(`UPDATE sqlsync_conflict SET rekeyed = ? WHERE id = ?`, wire.AppendRow(nil, key), id); err != nil || !shown {
		return nil, err
	}
	from, err := t.Int(`SELECT coalesce(max(shown), 0) FROM sqlsync_conflict WHERE table_id = ? AND kind = ? AND key = ? AND shown < ?`,
		tab.id, string(merge.KindKey), tab.listedKey(tab.keyOf(m.was)), upTo)
	m.from, m.upTo = merge.HLC(from), merge.HLC(upTo)
	return m, err
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
	slices.SortStableFunc(rows, func(a, b keyLoss) int { return a.birth.Compare(b.birth) })
	next := make(map[int64]int64)
	give := func(r keyLoss) error {
		if next[r.tab.id] == 0 {
			if next[r.tab.id], err = t.nextID(r.tab); err != nil {
				return err
			}
		}
		moves = append(moves, moved{tab: r.tab, was: r.im, now: image{{r.tab.keyNames()[0], next[r.tab.id]}}})
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
				moves = append(moves, moved{tab: r.tab, was: r.im, now: now})
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

// following is what changes of a row of tab because a row that it refers to has
// moved, nil if it refers to none or to another.
func (tab *table) following(row image, m moved) (now image) {
	for _, fk := range tab.def.ForeignKeys {
		parents, ok := m.columnsOf(fk)
		if !ok {
			continue
		}
		refers := true
		for i, c := range fk.Columns {
			v, _ := row.value(tab.def.Columns[c].Name)
			p, _ := m.was.value(parents[i])
			refers = refers && v != nil && hashValue(v) == hashValue(p)
		}
		if !refers {
			continue
		}
		for i, c := range fk.Columns {
			if v, ok := m.now.value(parents[i]); ok {
				now = now.set(tab.def.Columns[c].Name, v)
			}
		}
	}
	return now
}

// columnsOf are the columns of the moved row that a foreign key refers to; ok
// says that it refers to rows of that table by something that has changed.
func (m *moved) columnsOf(fk schema.ForeignKey) (names []string, ok bool) {
	if !equalNames(fk.Parent, m.tab.name) {
		return nil, false
	}
	if names = fk.ParentColumns; len(names) == 0 {
		names = m.tab.keyNames()
	}
	return names, len(names) == len(fk.Columns) && slices.ContainsFunc(names, m.now.has)
}

// follow makes rows that this node wrote refer to a row as it is now, and
// returns those of them to which others may refer in turn.
func (t *tx) follow(m moved) (more []moved, err error) {
	for _, tab := range t.cfg.tables {
		if tab.def == nil {
			continue
		}
		for _, fk := range tab.def.ForeignKeys {
			parents, ok := m.columnsOf(fk)
			if !ok {
				continue
			}
			rows, err := t.referring(tab, fk, parents, m.was)
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				child := moved{tab, row, tab.following(row, m), m.from, m.upTo}
				if did, err := t.move(child); err != nil {
					return nil, err
				} else if did {
					more = append(more, child)
				}
			}
		}
	}
	return more, nil
}

// referring reads the rows that refer to a parent by a foreign key.
func (t *tx) referring(tab *table, fk schema.ForeignKey, parents []string, parent image) (rows []image, err error) {
	names := make([]string, len(parents))
	values := make([]wire.Value, len(parents))
	for i, c := range fk.Columns {
		names[i] = tab.def.Columns[c].Name
		values[i], _ = parent.value(parents[i])
	}
	keys, err := t.keysWith(tab, names, values)
	if err != nil {
		return nil, err
	}
	all, _ := tab.everything()
	for _, key := range keys {
		values, err := t.readRow(tab, key)
		if err != nil {
			return nil, err
		}
		if values != nil {
			rows = append(rows, tab.withKey(key, tab.imageOf(all, values)))
		}
	}
	return rows, nil
}

// move changes columns of a row here that this node wrote them in.
func (t *tx) move(m moved) (did bool, err error) {
	key := m.tab.keyOf(m.was)
	metas, err := t.lookup(m.tab, [][]wire.Value{key})
	if err != nil || len(m.now) == 0 {
		return false, err
	}
	set := make([]string, len(m.now))
	var values []wire.Value
	for i, c := range m.now {
		wrote := merge.Version{Origin: t.author.Node}
		if cell := m.tab.cellNamed(c.name); metas[0].exists() {
			if wrote = metas[0].row.Birth; cell >= 0 && m.tab.cells[cell].key < 0 {
				wrote = metas[0].row.Cell(m.tab.cells[cell].slot)
			}
		}
		if !t.mine(wrote.Origin) || wrote.HLC <= m.from || m.upTo != 0 && wrote.HLC > m.upTo {
			return false, nil
		}
		set[i], values = schema.Quote(c.name)+` = ?`, append(values, c.value)
	}
	n, err := t.Exec(`UPDATE OR ABORT main.`+schema.Quote(m.tab.name)+` SET `+strings.Join(set, ", ")+` WHERE `+m.tab.keyEquals("", "?"),
		append(values, key...)...)
	if err != nil || n == 0 {
		if refusable(err) { // it breaks the reference, which is listed
			err = nil
		}
		return false, err
	}
	if err := t.mark(m.tab, key); err != nil {
		return false, err
	}
	return true, t.mark(m.tab, m.tab.keyOf(m.was.with(m.now)))
}
