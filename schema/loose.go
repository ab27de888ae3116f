package schema

import (
	"slices"
	"strings"
)

// loose returns, each once, those of the columns that the application can drop
// as soon as it has dropped an index: those that the table's own definition
// does not hold on to.
func (b *builder) loose(columns []int) []int {
	var list []int
	for _, c := range columns {
		if c >= 0 && !slices.Contains(list, c) && !slices.Contains(b.t.PrimaryKey, c) && !b.t.constrained(c) {
			list = append(list, c)
		}
	}
	return list
}

// constrained reports whether a column is in a UNIQUE constraint of the table.
func (t *Table) constrained(c int) bool {
	return slices.ContainsFunc(t.Unique, func(ix Index) bool { return ix.SQL == "" && slices.Contains(ix.Columns, c) })
}

// absent spells what a row of a trigger, NEW or OLD, reads as in columns that
// the table does not have any more. SQLite looks a name such as NEW.mail up
// from the inside to the outside: in the FROM of a SELECT, then in the
// trigger's row, then in what encloses the SELECT. So a SELECT within one from
// this gets the row's column where there is one, and otherwise this NULL; as
// does a column without a row's name, which is the stored row's. Without it,
// DROP COLUMN fails over our trigger: "no such column: NEW.mail".
func (b *builder) absent(columns []int, row string) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = "NULL AS " + Quote(b.t.Columns[c].Name)
	}
	return "(SELECT " + strings.Join(names, ", ") + ") AS " + row
}

// within returns the columns that an index is on or names.
func (t *Table) within(ix *Index) []int { return append(t.named(ix.SQL), ix.Columns...) }

// named returns the columns that a piece of SQL names, and perhaps others.
func (t *Table) named(text string) []int {
	var list []int
	tokens := scan(text)
	for i, c := range t.Columns {
		if !c.Hidden && slices.ContainsFunc(tokens, func(t token) bool { return Same(t.name(), c.Name) }) {
			list = append(list, i)
		}
	}
	return list
}

// namesRowid reports whether a piece of SQL names the rowid by one of its
// names.
func (t *Table) namesRowid(text, name string) bool {
	return !t.WithoutRowid && !t.Has(name) && slices.ContainsFunc(scan(text), func(tok token) bool { return Same(tok.name(), name) })
}
