package cdc

import (
	"fmt"
	"slices"
	"strings"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/schema"
	"sqlsync/wire"
)

// Columns are told apart by their names. One that the application renames is the
// column it was, so batches that call it by another name mean it: those that were
// sealed before, and those of nodes that have not renamed it yet. Who renames a
// column remembers what it was, and tells peers, some of whom may never have had
// it by that name.

// informative is how many rows decide whether a column was renamed.
const informative = 1000

// isRenamed reports whether a column has the values that the column of a slot had.
// RENAME COLUMN keeps values, a column that is added instead of one that is dropped
// has others. A value that nobody has given tells nothing, and where there are
// others, one that may have been given since does not either. Where no value tells,
// the column is a new one: whoever has values of it tells who had none. some says
// that there were equal values.
func (t *tx) isRenamed(tab *table, slot int, name string) (is, some bool, err error) {
	if tab.appends() { // it has no hashes
		return true, false, nil
	}
	var n comparedValues
	if tab.mayPack() {
		err = t.compareValuesPacked(tab, slot, name, &n)
	} else {
		err = t.compareValues(tab, slot, name, &n)
	}
	is, some = n.same()
	return is, some, err
}

// comparedValues counts rows in which a column has the value that another had, of
// those that are marked apart.
type comparedValues struct{ kept, touched struct{ same, other int } }

// add counts a value beside the hash that the other column had, and reports whether
// that is enough.
func (c *comparedValues) add(value wire.Value, was uint64, touched bool) bool {
	n := &c.kept
	if touched {
		n = &c.touched
	}
	switch got := hashValue(value); {
	case was == unknown || value == nil && was == got:
		return false
	case was == got:
		n.same++
	default:
		n.other++
	}
	return c.kept.same+c.kept.other == informative
}

// same reports whether most values, or any, are the same.
func (c *comparedValues) same() (most, some bool) {
	n := c.kept
	if n.same+n.other == 0 {
		n = c.touched
	}
	return n.same > 0 && 4*n.same >= n.same+n.other, n.same > 0
}

func (t *tx) compareValues(tab *table, slot int, name string, n *comparedValues) error {
	return t.Query(func(row []any) error {
		stored, _ := row[1].([]byte)
		if n.add(row[0], hashes(stored).at(slot), row[2] == int64(1)) {
			return sqlconn.Stop
		}
		return nil
	}, `SELECT +t.`+schema.Quote(name)+`, m.hashes, (`+tab.list("m.k%d", ", ", len(tab.key))+`) IN (SELECT `+tab.list("k%d", ", ", len(tab.key))+
		` FROM `+tab.ds.oplog()+` WHERE table_id = ?) FROM `+tab.meta()+` AS m JOIN main.`+schema.Quote(tab.name)+` AS t ON `+
		tab.keyEquals("t.", "m.k%d")+` WHERE coalesce(m.state, 0) = 0`, tab.id)
}

// noteRenamed notes what the column of a slot was called.
func (t *tx) noteRenamed(tab *table, was string, slot int) error {
	if _, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_renamed (table_id, was, slot) VALUES (?, ?, ?)`, tab.id, was, slot); err != nil {
		return fmt.Errorf("note what a column was called: %w", err)
	}
	return nil
}

func (t *tx) readRenamed(tab *table) error {
	tab.was = make(map[string]int)
	return t.Query(func(row []any) error {
		tab.was[schema.Fold(row[0].(string))] = int(row[1].(int64))
		return nil
	}, `SELECT was, slot FROM sqlsync_renamed WHERE table_id = ?`, tab.id)
}

// tellRenamed lists what columns of a table were called.
func (tab *table) tellRenamed() (list []wire.RenamedColumn) {
	for was, slot := range tab.was {
		if i := tab.cellAt(slot); i >= 0 {
			list = append(list, wire.RenamedColumn{Was: was, Is: tab.cells[i].name})
		}
	}
	slices.SortFunc(list, func(a, b wire.RenamedColumn) int { return strings.Compare(a.Was, b.Was) })
	return list
}

// learnRenamed notes what columns were called on a peer, and reports whether that
// is news. A column that is here by that name is another.
func (t *tx) learnRenamed(tab *table, told []wire.RenamedColumn) (news bool, err error) {
	for _, c := range told {
		if tab.cellNamed(c.Was) >= 0 || tab.def.Has(c.Was) {
			continue
		}
		i := tab.cellCalled(c.Is)
		if i < 0 {
			continue
		}
		if err := t.noteRenamed(tab, c.Was, tab.cells[i].slot); err != nil {
			return news, err
		}
		if err := t.takeAgain(tab, c.Was); err != nil {
			return news, err
		}
		news = true
	}
	return news, nil
}

// takeAgain has what came for a column merged again that is here by another name,
// where it may have been taken for one that was dropped.
func (t *tx) takeAgain(tab *table, was string) error {
	dropped, err := t.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_column WHERE table_id = ? AND name < ' ')`, tab.id)
	if err != nil || dropped == 0 {
		return err
	}
	pruned, err := t.pruned(tab.ds)
	if err != nil {
		return err
	}
	var gone any // in batches that are not held any more
	if pruned {
		gone = 1
	}
	if _, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_lack (table_id, name, pos, gone)
		VALUES (?1, ?2, 1, coalesce(?3, (SELECT gone FROM sqlsync_lack WHERE table_id = ?1 AND name = ?2)))`, tab.id, was, gone); err != nil {
		return fmt.Errorf("note what a column was called: %w", err)
	}
	return nil
}

// cellCalled and cellOnceCalled return the index in cells of the column that has a
// name, and of one that had it, -1 if there is none.
func (tab *table) cellCalled(name string) int {
	return slices.IndexFunc(tab.cells, func(c tableCell) bool { return schema.Same(c.name, name) })
}

func (tab *table) cellOnceCalled(name string) int {
	if slot, ok := tab.was[schema.Fold(name)]; ok {
		return tab.cellAt(slot)
	}
	return -1
}

// cellAt returns the index in cells of the column that has a slot, -1 if there is
// none.
func (tab *table) cellAt(slot int) int {
	return slices.IndexFunc(tab.cells, func(c tableCell) bool { return c.slot == slot })
}

// cellsOf are the cells that a section's columns are, -1 where the table has none.
// Two cannot be one: of a column that was renamed and one that has its old name
// now, the peer means by the new name what is called so here.
func (tab *table) cellsOf(columns []string) []int {
	list := make([]int, len(columns))
	taken := make(map[int]bool, len(columns))
	for i, name := range columns {
		list[i] = tab.cellCalled(name)
		taken[list[i]] = true
	}
	for i, name := range columns {
		if list[i] >= 0 {
			continue
		}
		if c := tab.cellOnceCalled(name); !taken[c] {
			list[i], taken[c] = c, true
		}
	}
	return list
}
