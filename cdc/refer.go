package cdc

import (
	"slices"
	"strings"

	"sqlsync/schema"
	"sqlsync/wire"
)

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
				child := moved{tab: tab, was: row, now: tab.following(row, m), from: m.from, upTo: m.upTo}
				if did, err := t.move(child); err != nil {
					return nil, err
				} else if !did {
					continue
				}
				// What refers to the row means it also if it came later than the other
				// row with the parent's key.
				if child.from, err = t.shownBefore(tab, tab.keyOf(row), 0); err != nil {
					return nil, err
				}
				child.upTo = 0
				more = append(more, child)
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
	since, err := t.meantOf(m.tab, &metas[0])
	if err != nil {
		return false, err
	}
	set := make([]string, len(m.now))
	var values []wire.Value
	for i, c := range m.now {
		wrote := metas[0].row.Birth
		if cell := m.tab.cellNamed(c.name); cell >= 0 && m.tab.cells[cell].key < 0 {
			wrote = metas[0].row.Cell(m.tab.cells[cell].slot)
		}
		if !metas[0].exists() || !t.mine(wrote.Origin) || !m.means(since.at(c.name, wrote.HLC)) {
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
