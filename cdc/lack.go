package cdc

import (
	"fmt"
	"strings"

	"sqlsync/merge"
)

// lack notes the columns that a section has values for and its table does not
// have. Nothing of them is lost: the batch is held, and when the column comes
// the table's changes are merged again from here.
func (t *tx) lack(tab *table, pos int64, columns []string) error {
	for _, name := range columns {
		if _, known := tab.lacking[strings.ToLower(name)]; known || isShadow(name) {
			continue
		}
		if _, err := t.Exec(`INSERT OR IGNORE INTO sqlsync_lack (table_id, name, pos) VALUES (?, ?, ?)`, tab.id, name, pos); err != nil {
			return fmt.Errorf("note a column that is not there: %w", err)
		}
		tab.lacking[strings.ToLower(name)] = pos
	}
	return nil
}

// readLacking reads what a table lacks, and has what came for a column that is
// there by now merged again.
func (t *tx) readLacking(tab *table) error {
	tab.lacking = make(map[string]int64)
	err := t.Query(func(row []any) error {
		tab.lacking[strings.ToLower(row[0].(string))] = row[1].(int64)
		return nil
	}, `SELECT name, pos FROM sqlsync_lack WHERE table_id = ?`, tab.id)
	if err != nil {
		return err
	}
	for name, pos := range tab.lacking {
		if tab.cellNamed(name) < 0 {
			continue
		}
		delete(tab.lacking, name)
		if _, err := t.Exec(`DELETE FROM sqlsync_lack WHERE table_id = ? AND name = ?`, tab.id, name); err != nil {
			return err
		}
		if err := t.replayLater(tab, pos); err != nil {
			return err
		}
	}
	return nil
}

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
