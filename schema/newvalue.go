package schema

import (
	"slices"
	"strings"
)

// newValue spells the value that a row is going to have in a column, as seen
// before the statement: OR REPLACE makes the default of a NULL that is not
// allowed, and only then looks for conflicts.
func newValue(c *Column) string {
	value := "NEW." + Quote(c.Name)
	if d := constant(c.Default); c.NotNull && c.HasDefault && d != "" {
		return "coalesce(" + value + ", " + d + ")"
	}
	return value
}

// bases are the columns that generated columns of an index are made of, to be
// named: before an update SQLite reads only those columns of the new row that
// its triggers name, and makes generated ones of them. They are columns that
// the table's own definition names again.
func (b *builder) bases(ix Index) []int {
	named := make(map[string]int)
	for _, t := range scan(b.t.SQL) {
		named[Fold(t.name())]++
	}
	generated := false
	inIndex := b.t.within(&ix)
	for i, c := range b.t.Columns {
		generated = generated || c.Generated && slices.Contains(inIndex, i)
	}
	var list []int
	for _, i := range b.t.Stored() {
		if name := b.t.Columns[i].Name; generated && named[Fold(name)] > 1 {
			list = append(list, i)
		}
	}
	return list
}

// constant spells a default as an expression, "" if it may not be one that
// means the same where columns have names: DEFAULT takes a name for a text.
func constant(text string) string {
	tokens := scan(text)
	if len(tokens) != 1 {
		for _, t := range tokens {
			if strings.ContainsAny(t.text[:1], "\"`[") {
				return ""
			}
		}
		return "(" + text + ")"
	}
	switch t := tokens[0]; {
	case t.is("NULL"):
		return ""
	case t.is("TRUE"): // not a word for SQLite before 3.23
		return "1"
	case t.is("FALSE"):
		return "0"
	case t.is("CURRENT_TIME"), t.is("CURRENT_DATE"), t.is("CURRENT_TIMESTAMP"):
		return t.text
	case t.text[0] == '\'', t.text[0] == '.', '0' <= t.text[0] && t.text[0] <= '9':
		return t.text
	default:
		return quoteText(t.name())
	}
}

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
