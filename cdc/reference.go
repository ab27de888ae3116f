package cdc

import (
	"slices"
	"strings"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// reference is a foreign key of a table whose columns are all replicated.
type reference struct {
	name   string // of the constraint, for people
	parent string
	// columns are the parent's, names the child's.
	columns, names []string
	// cells are the child's, and keys the places in its key; -1 for a column
	// that is not among them.
	cells, keys []int
}

// claims is what a row of the child says, by its key and its cells; ok is false
// if it refers to nothing.
func (ref *reference) claims(key, cells []wire.Value) (values []wire.Value, ok bool) {
	values = make([]wire.Value, len(ref.cells))
	for i, c := range ref.cells {
		if c >= 0 {
			values[i] = cells[c]
		} else {
			values[i] = key[ref.keys[i]]
		}
		if values[i] == nil {
			return nil, false
		}
	}
	return values, true
}

// written is the version by which a row came to refer to what it does.
func (ref *reference) written(tab *table, m *meta) merge.Version {
	for _, c := range ref.cells {
		if c >= 0 {
			return m.row.Cell(tab.cells[c].slot)
		}
	}
	return m.row.Birth
}

// child is a row that refers to another by a foreign key.
type child struct {
	key []wire.Value
	m   meta
}

// children reads the rows of a table that refer by a foreign key to a parent
// with these values.
func (t *tx) children(tab *table, ref *reference, values []wire.Value) (list []child, err error) {
	keys, err := t.keysWith(tab, ref.names, values)
	if err != nil {
		return nil, err
	}
	metas, err := t.lookup(tab, keys)
	for i := range metas {
		list = append(list, child{keys[i], metas[i]})
	}
	return list, err
}

// keysWith are the keys of the rows that have these values in some columns.
func (t *tx) keysWith(tab *table, columns []string, values []wire.Value) (keys [][]wire.Value, err error) {
	terms := make([]string, len(columns))
	for i, name := range columns {
		terms[i] = schema.Quote(name) + " = ?"
	}
	err = t.Query(func(row []any) error {
		keys = append(keys, slices.Clone(row))
		return nil
	}, `SELECT `+tab.keyList("+")+` FROM main.`+schema.Quote(tab.name)+` WHERE `+strings.Join(terms, " AND "), values...)
	return keys, err
}

// readConstraints finds what rows of a table may break.
func (t *tx) readConstraints(tab *table) error {
	tab.checks = tab.def.Checks()
	for _, fk := range tab.def.ForeignKeys {
		ref := reference{parent: fk.Parent, columns: fk.ParentColumns}
		whole := true
		for _, c := range fk.Columns {
			name := tab.def.Columns[c].Name
			cell, key := tab.cellNamed(name), keyPlace(tab.key, c)
			whole = whole && (cell >= 0 || key >= 0)
			ref.names, ref.cells, ref.keys = append(ref.names, name), append(ref.cells, cell), append(ref.keys, key)
		}
		ref.name = strings.Join(ref.names, ", ") + " → " + fk.Parent
		parent, err := schema.Load(t.ctx, t.Conn, fk.Parent)
		if err != nil {
			continue // no such table: every child is an orphan, and was
		}
		if slices.ContainsFunc(ref.columns, func(c string) bool { return !parent.Has(c) }) {
			continue
		}
		if len(ref.columns) == 0 {
			for _, c := range parent.PrimaryKey {
				ref.columns = append(ref.columns, parent.Columns[c].Name)
			}
		}
		if len(ref.columns) == len(ref.cells) && whole {
			tab.references = append(tab.references, ref)
		}
	}
	return nil
}
