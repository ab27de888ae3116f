package schema

import "strings"

// token is a piece of SQL text, with its place.
type token struct {
	text       string
	start, end int
}

// is compares with a keyword or a mark.
func (t token) is(word string) bool { return strings.EqualFold(t.text, word) }

// name returns the name that a token spells, unquoted.
func (t token) name() string {
	s := t.text
	if len(s) < 2 {
		return s
	}
	switch q := s[0]; q {
	case '"', '`', '\'':
		return strings.ReplaceAll(strings.TrimSuffix(s[1:], string(q)), string(q)+string(q), string(q))
	case '[':
		return strings.TrimSuffix(s[1:], "]")
	}
	return s
}

// scan splits SQL into tokens: words and numbers, quoted things, single marks.
// White space and comments are left out. Text that SQLite has accepted scans
// as SQLite scans it; of other text nothing is promised but an end.
func scan(text string) []token {
	var list []token
	for i := 0; i < len(text); {
		start := i
		switch c := text[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
			i++
			continue
		case strings.HasPrefix(text[i:], "--"):
			i = after(text, i, "\n")
			continue
		case strings.HasPrefix(text[i:], "/*"):
			i = after(text, i+2, "*/")
			continue
		case c == '\'' || c == '"' || c == '`':
			i = afterQuoted(text, i)
		case c == '[':
			i = after(text, i, "]")
		case wordByte(c):
			for i < len(text) && wordByte(text[i]) {
				i++
			}
		default:
			i++
		}
		list = append(list, token{text[start:i], start, i})
	}
	return list
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// after returns the place behind the next end, or that of the end of text.
func after(text string, i int, end string) int {
	if j := strings.Index(text[i:], end); j >= 0 {
		return i + j + len(end)
	}
	return len(text)
}

// afterQuoted returns the place behind a quoted thing, in which a doubled
// quote is none.
func afterQuoted(text string, i int) int {
	q := text[i]
	for i++; i < len(text); i++ {
		if text[i] != q {
			continue
		}
		if i+1 < len(text) && text[i+1] == q {
			i++
			continue
		}
		return i + 1
	}
	return len(text)
}

// indexParts takes the expressions and the WHERE out of a CREATE INDEX.
func indexParts(text string) (terms []string, where string) {
	text = withoutComments(text)
	tokens := scan(text)
	depth, from := 0, -1
	for i, tok := range tokens {
		switch {
		case tok.is("("):
			if depth++; depth == 1 && from < 0 {
				from = tok.end
			}
		case tok.is(",") && depth == 1:
			terms, from = append(terms, text[from:tok.start]), tok.end
		case tok.is(")"):
			if depth--; depth > 0 {
				continue
			}
			if from < 0 {
				return nil, ""
			}
			terms = append(terms, text[from:tok.start])
			if i+1 < len(tokens) && tokens[i+1].is("WHERE") {
				where = strings.TrimSpace(text[tokens[i+1].end:])
			}
			for j := range terms {
				terms[j] = withoutOrder(terms[j])
			}
			return terms, where
		}
	}
	return nil, ""
}

// withoutComments makes a space of each comment and of other gaps: what follows
// a piece of the text would be part of its last comment.
func withoutComments(text string) string {
	var b strings.Builder
	end := 0
	for _, tok := range scan(text) {
		if tok.start > end && end > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(tok.text)
		end = tok.end
	}
	return b.String()
}

// withoutOrder drops ASC or DESC from the end of an index's term.
func withoutOrder(term string) string {
	tokens := scan(term)
	if n := len(tokens); n > 1 && (tokens[n-1].is("ASC") || tokens[n-1].is("DESC")) {
		term = term[:tokens[n-1].start]
	}
	return strings.TrimSpace(term)
}
