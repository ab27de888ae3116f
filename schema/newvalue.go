package schema

import "strings"

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
		return "'" + strings.ReplaceAll(t.name(), "'", "''") + "'"
	}
}
