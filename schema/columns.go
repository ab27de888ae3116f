package schema

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// ColumnText returns the text that declares a column in a CREATE TABLE
// statement, as ADD COLUMN takes it, "" if there is none.
func ColumnText(create, column string) string {
	terms, _ := indexParts(create)
	for _, term := range terms {
		if tokens := scan(term); len(tokens) > 0 && strings.EqualFold(tokens[0].name(), column) {
			return term
		}
	}
	return ""
}

// Shape names all that is declared of a table's stored columns, so that nodes
// can tell whether they have the same.
func Shape(t *Table) string {
	var b strings.Builder
	for _, i := range t.Stored() {
		c := &t.Columns[i]
		fmt.Fprintf(&b, "%q %q %v %q %v\n", strings.ToLower(c.Name), strings.ToUpper(c.Type), c.NotNull, c.Default, c.HasDefault)
	}
	sum := blake2b.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:8])
}

// ColumnNames lists the columns that a CREATE TABLE statement declares.
func ColumnNames(create string) []string {
	terms, _ := indexParts(create)
	var names []string
	for _, term := range terms {
		tokens := scan(term)
		if len(tokens) == 0 || slices.ContainsFunc(constraintWords, tokens[0].is) {
			continue
		}
		names = append(names, tokens[0].name())
	}
	return names
}

// constraintWords begin a table constraint. As names of columns they would
// have to be quoted.
var constraintWords = []string{"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}

// Has reports whether the table has a column.
func (t *Table) Has(column string) bool { return t.column(column) >= 0 }
