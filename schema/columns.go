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
		if tokens := scan(term); len(tokens) > 0 && Same(tokens[0].name(), column) {
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
		fmt.Fprintf(&b, "%q %q %v %q %v\n", Fold(c.Name), strings.ToUpper(c.Type), c.NotNull, c.Default, c.HasDefault)
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

// Column returns a column's place, -1 if there is none.
func (t *Table) Column(name string) int { return t.column(name) }

// Refers reports whether a column is part of a declared foreign key.
func (t *Table) Refers(column int) bool {
	return slices.ContainsFunc(t.ForeignKeys, func(fk ForeignKey) bool { return slices.Contains(fk.Columns, column) })
}

// InUnique reports whether a column is part of a UNIQUE index.
func (t *Table) InUnique(column int) bool {
	return slices.ContainsFunc(t.Unique, func(ix Index) bool { return slices.Contains(ix.Columns, column) })
}

// WithNames quotes each parameter of an expression, such as :local, that is one
// of names, so that it names a column.
func WithNames(expr string, names []string) string {
	var b strings.Builder
	tokens := scan(expr)
	end := 0
	for i, tok := range tokens {
		if !tok.is(":") || i+1 == len(tokens) || tokens[i+1].start != tok.end {
			continue
		}
		name := ":" + strings.ToLower(tokens[i+1].text)
		if !slices.Contains(names, name) {
			continue
		}
		b.WriteString(expr[end:tok.start] + Quote(name))
		end = tokens[i+1].end
	}
	return b.String() + expr[end:]
}

// Autoincrement reports whether the table has an INTEGER PRIMARY KEY
// AUTOINCREMENT.
func (t *Table) Autoincrement() bool {
	return t.RowidAlias >= 0 && slices.ContainsFunc(scan(t.SQL), func(tok token) bool { return tok.is("AUTOINCREMENT") })
}

// OneExpression reports whether a text is at most one expression: brackets that
// match, no end of a statement, no comma outside.
func OneExpression(text string) bool {
	depth := 0
	for _, tok := range scan(text) {
		switch {
		case tok.is("("):
			depth++
		case tok.is(")"):
			if depth--; depth < 0 {
				return false
			}
		case tok.is(";"), tok.is(",") && depth == 0:
			return false
		}
	}
	return depth == 0
}
