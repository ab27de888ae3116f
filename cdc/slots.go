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
	return t.readRenamed(tab)
}

// followNames finds columns that were renamed or dropped.
func (t *tx) followNames(tab *table, had []numbered, columns []int) error {
	now := make([]string, len(columns))
	for i, c := range columns {
		now[i] = tab.def.Columns[c].Name
	}
	renamed := renames(had, now)
	for slot, name := range renamed {
		is, some, err := t.isRenamed(tab, slot, name)
		if err != nil {
			return err
		}
		if !is {
			delete(renamed, slot)
			tab.renamed = tab.renamed || some // it may have been, and written to
		}
	}
	for i := range had {
		n := &had[i]
		if placeOf(now, n.name) >= 0 {
			continue
		}
		was := n.name
		if n.name = renamed[n.slot]; n.name == "" {
			n.name = fmt.Sprint(goneColumn, n.slot)
			if _, err := t.Exec(`DELETE FROM sqlsync_renamed WHERE table_id = ? AND slot = ?`, tab.id, n.slot); err != nil {
				return fmt.Errorf("forget a column: %w", err)
			}
		} else {
			tab.renamed = true
			if err := t.noteRenamed(tab, was, n.slot); err != nil {
				return err
			}
		}
		if _, err := t.Exec(`UPDATE sqlsync_column SET name = ? WHERE table_id = ? AND slot = ?`, n.name, tab.id, n.slot); err != nil {
			return fmt.Errorf("rename column: %w", err)
		}
	}
	return nil
}

// renames guesses which columns have another name, by slot. RENAME COLUMN leaves
// a column where it is, and ADD COLUMN adds one behind all others: names that
// went and as many that came, between two that stayed, may be the same columns:
// isRenamed tells by their values.
func renames(had []numbered, now []string) map[int]string {
	list := make(map[int]string)
	var went []numbered
	next := 0 // in now
	for i := 0; i <= len(had); i++ {
		at := len(now)
		if i < len(had) {
			if at = placeOf(now, had[i].name); at < 0 {
				went = append(went, had[i])
				continue
			}
		}
		if at < next {
			return nil // made anew in another order
		}
		if came := now[next:at]; len(came) == len(went) || i == len(had) && len(came) > len(went) {
			for k, n := range went {
				list[n.slot] = came[k]
			}
		}
		went, next = nil, at+1
	}
	return list
}

func placeOf(names []string, name string) int {
	return slices.IndexFunc(names, func(n string) bool { return schema.Same(n, name) })
}
