package schema

import (
	"fmt"
	"strings"
)

// Holders spells the condition for rows that have the values of another row in
// a UNIQUE index, and so are in its way. The other row's values are parameters
// ?1, ?2 … in the order of Stored. It is "" for an index with a generated
// column, whose value is not told.
func (t *Table) Holders(ix *Index) string {
	stored := t.Stored()
	param := make(map[int]string, len(stored))
	row := make([]string, len(stored))
	for i, c := range stored {
		param[c] = fmt.Sprintf("?%d", i+1)
		row[i] = param[c] + " AS " + Quote(t.Columns[c].Name)
	}
	asRow := "(SELECT " + strings.Join(row, ", ") + ")"
	texts, where := indexParts(ix.SQL)
	var terms []string
	for i, c := range ix.Columns {
		switch {
		case c < 0:
			terms = append(terms, fmt.Sprintf("(%s) = (SELECT %s FROM %s)", texts[i], texts[i], asRow))
		case param[c] == "":
			return ""
		default:
			collate := ""
			if ix.SQL != "" && ix.Collations[i] != "" {
				collate = " COLLATE " + ix.Collations[i]
			}
			terms = append(terms, Quote(t.Columns[c].Name)+" = "+param[c]+collate)
		}
	}
	if ix.Partial {
		terms = append(terms, "("+where+")", "EXISTS (SELECT 1 FROM "+asRow+" WHERE "+where+")")
	}
	return strings.Join(terms, " AND ")
}

// IsKey reports whether the index is on the key's columns and on all rows.
func (ix *Index) IsKey(k Key) bool { return ix.plain() && sameColumns(ix.Columns, k) }
