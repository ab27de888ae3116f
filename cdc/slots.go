package cdc

import (
	"fmt"
	"slices"
	"strings"

	"sqlsync/schema"
)

// numbered is a column that has a slot.
type numbered struct {
	slot int
	name string
}

// goneColumn is the name under which the slot of a dropped column is kept: it
// is never given to another, also not to one of the same name.
const goneColumn = "\x00"

// readCells gives every replicated column its slot.
func (t *tx) readCells(tab *table) error {
	var had []numbered
	err := t.Query(func(row []any) error {
		n := numbered{int(row[0].(int64)), row[1].(string)}
		if tab.slots = max(tab.slots, n.slot+1); !strings.HasPrefix(n.name, goneColumn) {
			had = append(had, n)
		}
		return nil
	}, `SELECT slot, name FROM sqlsync_column WHERE table_id = ? ORDER BY slot`, tab.id)
	if err != nil {
		return err
	}
	exact := tab.def.ExactKey(tab.key)
	var columns []int
	for _, i := range tab.def.Stored() {
		if place := keyPlace(tab.key, i); place < 0 || !exact {
			columns = append(columns, i)
		}
	}
	if err := t.followNames(tab, had, columns); err != nil {
		return err
	}
	for _, i := range columns {
		col := tab.def.Columns[i]
		at := slices.IndexFunc(had, func(n numbered) bool { return schema.Same(n.name, col.Name) })
		slot := tab.slots
		if at >= 0 {
			slot = had[at].slot
		} else {
			tab.slots++
			if _, err := t.Exec(`INSERT INTO sqlsync_column (table_id, slot, name) VALUES (?, ?, ?)`, tab.id, slot, col.Name); err != nil {
				return fmt.Errorf("number column: %w", err)
			}
		}
		tab.cells = append(tab.cells, tableCell{name: col.Name, slot: slot, key: keyPlace(tab.key, i), initial: t.initial(col)})
	}
	return nil
}

// followNames finds columns that were renamed or dropped. RENAME COLUMN leaves a
// column where it is: a name that went and one that came in the same place are
// one column. If that is a mistake, because one was dropped and another added,
// the comparison of all rows that follows makes it good.
func (t *tx) followNames(tab *table, had []numbered, columns []int) error {
	now := make([]string, len(columns))
	for i, c := range columns {
		now[i] = tab.def.Columns[c].Name
	}
	has := func(name string) bool {
		return slices.ContainsFunc(now, func(n string) bool { return schema.Same(n, name) })
	}
	knew := func(name string) bool {
		return slices.ContainsFunc(had, func(n numbered) bool { return schema.Same(n.name, name) })
	}
	inPlace := len(had) == len(now)
	for i := range had {
		inPlace = inPlace && (schema.Same(had[i].name, now[i]) || !has(had[i].name) && !knew(now[i]))
	}
	for i := range had {
		n := &had[i]
		if has(n.name) {
			continue
		}
		n.name = fmt.Sprint(goneColumn, n.slot)
		if inPlace {
			n.name, tab.renamed = now[i], true
		}
		if _, err := t.Exec(`UPDATE sqlsync_column SET name = ? WHERE table_id = ? AND slot = ?`, n.name, tab.id, n.slot); err != nil {
			return fmt.Errorf("rename column: %w", err)
		}
	}
	return nil
}
