package cdc

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"golang.org/x/crypto/blake2b"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// logLosses writes down what the change, or the row as it is, loses. It runs
// before anything is changed. Values that are equal after all are no loss.
func (a *applier) logLosses(act *action) error {
	if act.out.Effect == merge.Orphan {
		if a.remerging || a.fromSnapshot { // its row was deleted here, or is told with it
			return nil
		}
		return a.logOrphan(act)
	}
	for _, l := range slices.Concat(act.out.Losses, act.supplanted(), a.restated(act)) {
		if l.Incoming && (a.fromSnapshot && l.Loser.HLC.Seal() <= a.heard || (a.fromSnapshot || a.remerging) && l.Loser.Origin == l.Winner.Origin) {
			continue // it was listed before, or is what its author has replaced
		}
		cells := a.lostCells(act, l)
		if a.remerging {
			cells = slices.DeleteFunc(cells, func(c int) bool { return c < 0 || a.again(c) })
		}
		if err := a.noteKeyLoss(act, l, len(cells) == 0); err != nil {
			return err
		}
		if len(cells) == 0 {
			continue
		}
		if err := a.logLoss(act, l, cells); err != nil {
			return fmt.Errorf("log conflict: %w", err)
		}
		if err := a.carry(act, l); err != nil {
			return fmt.Errorf("log conflict: %w", err)
		}
	}
	return nil
}

// supplanted is the loss of a held row to one that was inserted under its key.
// Whoever inserted that had seen the write and yet could not see the row.
func (act *action) supplanted() []merge.Loss {
	if act.m.state != held || act.c.Op != merge.Insert || act.out.Effect != merge.Replace {
		return nil
	}
	for _, l := range act.out.Losses {
		if l.Kind == merge.KindKey && l.Loser == act.m.row.Birth {
			return nil
		}
	}
	return []merge.Loss{{Kind: merge.KindKey, Winner: act.out.Row.Birth, Loser: act.m.row.Birth}}
}

// lostCells returns the cells of a loss whose values differ; for rows as a
// whole all of them as soon as one differs.
func (a *applier) lostCells(act *action, l merge.Loss) []int {
	all, _ := a.tab.everything()
	if len(all) == 0 {
		all = []int{-1} // a row that is nothing but its key
	}
	if l.Kind == merge.KindBaseline && act.c.Op == merge.Delete {
		if !act.otherBaseline {
			return nil
		}
		return all
	}
	tombstone := act.m.row.Dead
	if len(act.m.hashes) == 0 && act.m.exists() && act.m.state == alive { // of a table merged by append
		if row, err := a.readRow(a.tab, act.m.key); err == nil && row != nil {
			act.m.hashes = a.tab.hash(row)
		}
	}
	switch {
	case act.c.Op == merge.Delete, // it wins, and carries no values to compare
		l.Kind == merge.KindDelete && act.c.Op == merge.Update:
		return all
	case l.Kind == merge.KindDelete && !act.m.row.Birth.HLC.Baseline():
		return all
	}
	var differ []int
	for i, cell := range act.cells {
		slot := a.tab.cells[cell].slot
		if l.Columns != nil && !slices.Contains(l.Columns, slot) {
			continue
		}
		was := act.m.hashes.at(slot)
		if l.Kind == merge.KindBaseline || tombstone {
			was = act.m.baseline(slot)
		}
		if l.Kind == merge.KindBaseline && was == unknown {
			continue // the row has no value of its own there
		}
		if was != hashValue(act.values[i]) {
			differ = append(differ, cell)
		}
	}
	if len(differ) > 0 && (l.Kind == merge.KindKey || l.Kind == merge.KindRow || l.Kind == merge.KindDelete) {
		return all
	}
	return differ
}

func (a *applier) logLoss(act *action, l merge.Loss, cells []int) error {
	local, err := a.localImage(act)
	if err != nil {
		return err
	}
	var remote image
	if act.c.Op != merge.Delete {
		remote = a.tab.imageOf(act.cells, act.values)
	}
	if l.Kind == merge.KindCell || l.Kind == merge.KindBaseline {
		local, remote = a.only(local, cells), a.only(remote, cells)
	}
	if l.Kind == merge.KindDelete && !l.Incoming && l.Columns != nil {
		return a.logDeleted(act, l, local)
	}
	winner, loser := remote, local
	if l.Incoming {
		winner, loser = local, remote
	}
	return a.list(act, l, winner, loser)
}

// logDeleted lists an update whose row is deleted now. What is shown is what the
// update set, as the node shows it that deleted the row; the whole row is kept
// to be put back.
func (a *applier) logDeleted(act *action, l merge.Loss, row image) error {
	var cells []int
	for i := range a.tab.cells {
		if slices.Contains(l.Columns, a.tab.cells[i].slot) {
			cells = append(cells, i)
		}
	}
	if err := a.list(act, l, nil, a.only(row, cells)); err != nil {
		return err
	}
	_, err := a.Exec(`UPDATE sqlsync_conflict SET whole = ? WHERE id = ?`, row.encode(), conflictID(a.tab.name, a.tab.listedKey(act.c.Key), l))
	return err
}

// localImage is the row as it is, in the table or held, nil if it is not.
func (a *applier) localImage(act *action) (image, error) {
	if !act.m.exists() || act.m.state == dead {
		return nil, nil
	}
	if act.m.state == held {
		return a.heldImage(a.tab, act.m.key)
	}
	values, err := a.readRow(a.tab, act.m.key)
	if values == nil {
		return nil, err
	}
	all, _ := a.tab.everything()
	return a.tab.imageOf(all, values), err
}

func (a *applier) only(im image, cells []int) image {
	return slices.DeleteFunc(slices.Clone(im), func(c imageCell) bool {
		i := a.tab.cellNamed(c.name)
		return !slices.Contains(cells, i)
	})
}

// logOrphan keeps an update whose row never came: nothing is dropped unseen.
func (a *applier) logOrphan(act *action) error {
	return a.list(act, merge.Loss{
		Kind: merge.KindRow, Winner: act.m.row.Latest, Loser: act.c.Version(a.origin), Born: act.c.Birth, Incoming: true,
	}, nil, a.tab.imageOf(act.cells, act.values))
}

// list lists a conflict of the row of a change.
func (a *applier) list(act *action, l merge.Loss, winner, loser image) error {
	a.conflicts = true
	if a.listed == nil {
		a.listed = make(map[string]bool)
	}
	a.listed[string(a.tab.listedKey(act.c.Key))] = true
	return a.writeConflict(a.tab, act.c.Key, l, winner, loser)
}

func (t *tx) writeConflict(tab *table, key []wire.Value, l merge.Loss, winner, loser image) error {
	winnerOrigin, err := t.origin(l.Winner.Origin)
	if err != nil {
		return err
	}
	loserOrigin, err := t.origin(l.Loser.Origin)
	if err != nil {
		return err
	}
	listed := tab.listedKey(key)
	id := conflictID(tab.name, listed, l)
	if more, err := t.extendConflict(id, l.Winner, winner, loser); err != nil || more {
		return err
	}
	var shown any
	if !l.Incoming {
		shown = int64(t.clock.Next(0))
	}
	var born, bornOrigin any
	if !l.Born.IsZero() {
		origin, err := t.origin(l.Born.Origin)
		if err != nil {
			return err
		}
		born, bornOrigin = int64(l.Born.HLC), origin
	}
	_, err = t.Exec(`INSERT INTO sqlsync_conflict
		(id, table_id, kind, key, winner, loser, winner_hlc, winner_origin, loser_hlc, loser_origin, noted, shown, born_hlc, born_origin)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id, tab.id, string(l.Kind), listed, winner.encode(), loser.encode(),
		int64(l.Winner.HLC), winnerOrigin, int64(l.Loser.HLC), loserOrigin, t.now.UnixMilli(), shown, born, bornOrigin)
	return err
}

// extendConflict adds to a conflict that is listed: one write may lose its
// cells one after the other, to several others.
func (t *tx) extendConflict(id string, by merge.Version, winner, loser image) (listed bool, err error) {
	var had [2]image
	var lostTo beaten
	err = t.Query(func(row []any) (err error) {
		listed = true
		if lostTo, err = t.decodeBeaten(row[2]); err != nil {
			return err
		}
		for i := range had {
			if had[i], err = decodeImage(row[i].([]byte)); err != nil {
				return err
			}
		}
		return nil
	}, `SELECT winner, loser, beaten FROM sqlsync_conflict WHERE id = ?`, id)
	if err != nil || !listed {
		return listed, err
	}
	if lostTo.add(by) {
		column, err := t.encodeBeaten(lostTo)
		if err != nil {
			return true, err
		}
		if _, err := t.Exec(`UPDATE sqlsync_conflict SET beaten = ? WHERE id = ?`, column, id); err != nil {
			return true, err
		}
	}
	grown := false
	for i, more := range []image{winner, loser} {
		for _, c := range more {
			if !had[i].has(c.name) {
				had[i], grown = append(had[i], c), true
			}
		}
	}
	if grown {
		_, err = t.Exec(`UPDATE sqlsync_conflict SET winner = ?, loser = ?, dismissed = NULL WHERE id = ?`, had[0].encode(), had[1].encode(), id)
	}
	return true, err
}

// listedKey is a key as conflicts are listed by it: one spelling for all that
// the table takes for equal.
func (tab *table) listedKey(key []wire.Value) []byte {
	if tab.def != nil && !tab.def.ExactKey(tab.key) {
		key = slices.Clone(key)
		for i, c := range tab.key {
			key[i] = tab.def.Columns[c].Folded(key[i])
		}
	}
	return wire.AppendRow(nil, key)
}

// conflictID names the loss of one write to one row. It is made of what every
// node that holds the write knows, so it is the same on all of them. A row that
// is held may lose to another write besides.
func conflictID(table string, key []byte, l merge.Loss) string {
	b := append([]byte(schema.Fold(table)+"\x00"), key...)
	b = binary.BigEndian.AppendUint64(b, uint64(l.Loser.HLC))
	b = append(b, l.Loser.Origin[:]...)
	if l.Kind == kindUnique {
		b = append(b, kindUnique...)
	}
	sum := blake2b.Sum256(b)
	return hex.EncodeToString(sum[:6])
}
