package cdc

import (
	"fmt"

	"sqlsync/merge"
)

// An update may come before its row: whoever takes a snapshot passes on what is
// written to its rows, before it has ended and those who have no part in it are told
// of the rows. It is listed then, like what was written to a row that was deleted,
// and merged when the row comes.

// fosterOrphans has updates merged again that came before the row that is born now.
func (a *applier) fosterOrphans(act *action) error {
	if len(a.listed) == 0 || act.c.Op != merge.Insert || act.out.Effect != merge.Replace || len(a.tab.formers) > 0 || !a.listed[string(a.tab.listedKey(act.c.Key))] {
		return nil
	}
	list, err := a.listedOf(act.c.Key)
	for _, l := range list {
		if err != nil || l.kind != merge.KindRow || l.born != act.out.Row.Birth {
			continue
		}
		var pos int64
		pos, err = a.Int(`SELECT min(pos) FROM sqlsync_batch WHERE dataset_id = ? AND last >= ? AND origin_id = (SELECT id FROM sqlsync_origin WHERE key = ?)`,
			a.tab.ds.id, int64(l.lost.HLC), l.lost.Origin[:])
		if err == nil && pos > 0 && (a.tab.backTo == 0 || pos < a.tab.backTo) {
			a.tab.backTo = pos
		}
	}
	if err != nil {
		return fmt.Errorf("find what came before its row: %w", err)
	}
	return nil
}

// goBack has a table replayed from what fosterOrphans found.
func (t *tx) goBack(tab *table) error {
	if tab.backTo == 0 {
		return nil
	}
	return t.replayLater(tab, tab.ds, tab.backTo)
}

// unlistOrphan takes back that a change was to a row that is not here.
func (a *applier) unlistOrphan(act *action) error {
	known := len(a.tab.formers) == 0 // otherwise it may be merged again without a look at what is listed
	if !a.conflicts || act.out.Effect == merge.Orphan || known && (len(a.listed) == 0 || !a.listed[string(a.tab.listedKey(act.c.Key))]) {
		return nil
	}
	list, err := a.listedOf(act.c.Key)
	for _, l := range list {
		if err == nil && l.kind == merge.KindRow && l.lost == act.c.Version(a.origin) && (len(l.winner) == 0 || l.born == act.out.Row.Birth) {
			_, err = a.Exec(`DELETE FROM sqlsync_conflict WHERE id = ?`, l.id)
		}
	}
	return err
}
