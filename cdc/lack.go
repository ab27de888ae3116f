package cdc

import (
	"fmt"
	"strings"

	"sqlsync/merge"
	"sqlsync/schema"
)

// lack notes the columns that a section has values for and its table does not
// have. Nothing of them is lost: the batch is held, and when the column comes
// the table's changes are merged again from here.
func (t *tx) lack(tab *table, pos int64, columns []string) error {
	for _, name := range columns {
		if tab.lacking[schema.Fold(name)] > 0 || isShadow(name) {
			continue
		}
		n, err := t.Exec(`UPDATE sqlsync_lack SET pos = ? WHERE table_id = ? AND name = ? AND pos = 0`, pos, tab.id, name)
		if err == nil && n == 0 {
			_, err = t.Exec(`INSERT OR IGNORE INTO sqlsync_lack (table_id, name, pos) VALUES (?, ?, ?)`, tab.id, name, pos)
		}
		if err != nil {
			return fmt.Errorf("note a column that is not there: %w", err)
		}
		tab.lacking[schema.Fold(name)] = pos
	}
	return nil
}

// readLacking reads what a table lacks, and has what came for a column that is
// there by now merged again.
func (t *tx) readLacking(tab *table) error {
	tab.lacking, tab.landing = make(map[string]int64), make(map[int]bool)
	var come []string
	err := t.Query(func(row []any) error {
		name := row[0].(string)
		i := tab.cellNamed(name)
		switch {
		case i < 0:
			tab.lacking[schema.Fold(name)] = row[1].(int64)
		case row[2] == nil:
			come = append(come, name)
			fallthrough
		default:
			tab.landing[tab.cells[i].slot] = true
		}
		return nil
	}, `SELECT name, pos, landing FROM sqlsync_lack WHERE table_id = ?`, tab.id)
	for _, name := range come {
		if err == nil {
			err = t.beginLanding(tab, name)
		}
	}
	return err
}

// beginLanding has the table's changes merged again from the first on that had
// a value for a column that has come. Where some of these are gone, all that is
// held is merged again, and a peer tells the rest.
func (t *tx) beginLanding(tab *table, name string) error {
	pos, gone := int64(0), false
	err := t.Query(func(row []any) error {
		pos, gone = row[0].(int64), row[1] == int64(1)
		return nil
	}, `SELECT pos, gone FROM sqlsync_lack WHERE table_id = ? AND name = ?`, tab.id, name)
	if err == nil && gone {
		pos, err = 1, t.needWhole(tab)
	}
	if err != nil {
		return err
	}
	if tab.freshFrom == 0 {
		if tab.freshFrom = tab.replayFrom; tab.freshFrom == 0 {
			if tab.freshFrom, err = t.Int(`SELECT pos + 1 FROM sqlsync_dataset WHERE id = ?`, tab.ds.id); err != nil {
				return err
			}
		}
		if _, err := t.Exec(`UPDATE sqlsync_table SET fresh_from = ? WHERE id = ?`, tab.freshFrom, tab.id); err != nil {
			return err
		}
	}
	if _, err := t.Exec(`UPDATE sqlsync_lack SET landing = 1 WHERE table_id = ? AND name = ?`, tab.id, name); err != nil {
		return err
	}
	if err := t.adoptOrphans(tab, nil); err != nil {
		return err
	}
	return t.replayLater(tab, tab.ds, pos)
}

// landed ends a replay.
func (t *tx) landed(tab *table) error {
	tab.freshFrom, tab.landing = 0, make(map[int]bool)
	if _, err := t.Exec(`UPDATE sqlsync_table SET fresh_from = NULL WHERE id = ?`, tab.id); err != nil {
		return err
	}
	_, err := t.Exec(`DELETE FROM sqlsync_lack WHERE table_id = ? AND landing = 1`, tab.id)
	return err
}

// again reports whether a cell was merged before.
func (a *applier) again(c int) bool { return a.remerging && !a.tab.landing[a.tab.cells[c].slot] }

// lateCells are the cells of a row's own birth whose values come only now,
// because the table did not have their columns when the birth was merged.
func (act *action) lateCells(tab *table) (slots []int) {
	for _, cell := range act.cells {
		slot := tab.cells[cell].slot
		if act.m.hashes.at(slot) == unknown && act.m.row.Cell(slot) == act.m.row.Birth {
			slots = append(slots, slot)
		}
	}
	return slots
}

// land gives a row what it could not take of its own birth.
func (act *action) land(tab *table, w merge.Write) {
	born := w.Op == merge.Insert && (w.Birth == act.m.row.Birth || w.Birth.HLC.Baseline() && act.m.row.Birth.HLC.Baseline())
	if tab.rule == merge.WholeRow {
		born = act.m.exists() && w.Op != merge.Delete && w.Rank() == act.m.row.Latest
	}
	if !born || act.m.row.Dead || act.out.Effect != merge.Keep {
		return
	}
	if slots := act.lateCells(tab); len(slots) > 0 {
		act.out.Effect, act.out.Columns = merge.Set, slots
	}
}

// isShadow reports whether a column of a section is none of the table's but
// goes with one: names of SQLite's columns have no NUL.
func isShadow(name string) bool { return strings.Contains(name, "\x00") }
