package schema

import (
	"slices"
	"strings"
)

// An expression of an index may fail, for a value that SQLite never comes to
// compute it of: a CHECK refuses the row before, or OR IGNORE leaves it out. So
// triggers compute one that may fail only of rows which the CHECKs let pass.

// guard spells the condition that the table's CHECKs hold, "" if it is not to
// be asked before text is computed.
func (b *builder) guard(text string) string {
	if !mayFail(text) {
		return ""
	}
	var terms []string
	for _, c := range b.t.Checks() {
		terms = append(terms, "coalesce("+b.t.restated(c.Expr)+", 1)")
	}
	return joined(terms, " AND ")
}

// sound are the functions that fail for no value, and the words that stand
// before a bracket and are no functions.
var sound = strings.Fields(`lower upper substr substring length trim ltrim rtrim replace instr unicode char hex quote typeof coalesce ifnull
	nullif iif if min max round sign date time datetime julianday strftime unixepoch
	and or not in is like glob between escape case when then else cast as collate filter over`)

// mayFail reports whether an expression may fail for some value.
func mayFail(text string) bool {
	tokens := scan(text)
	for i := range tokens[:max(0, len(tokens)-1)] {
		tok, next := tokens[i], tokens[i+1]
		switch {
		case tok.is("-") && next.is(">"): // of JSON
			return true
		case next.is("(") && wordByte(tok.text[0]) && !slices.ContainsFunc(sound, tok.is):
			return true
		}
	}
	return false
}

// restated spells an expression of the table's definition so that it means the
// same elsewhere: without the table's name, and with the texts as such that
// stand in double quotes, which not every library takes for them.
func (t *Table) restated(text string) string {
	tokens := scan(text)
	var b strings.Builder
	for i := 0; i < len(tokens); i++ {
		tok := tokens[i]
		followed := func(by string) bool { return i+1 < len(tokens) && tokens[i+1].is(by) }
		if i > 0 && tokens[i-1].end < tok.start {
			b.WriteByte(' ')
		}
		switch {
		case followed(".") && Same(tok.name(), t.Name):
			i++
		case tok.text[0] == '"' && !followed("(") && !t.Has(tok.name()) && !slices.ContainsFunc(rowidNames, func(n string) bool { return Same(n, tok.name()) }):
			b.WriteString(quoteText(tok.name()))
		default:
			b.WriteString(tok.text)
		}
	}
	return b.String()
}
