package shell

import "strings"

// A scanner says when typed text is a whole statement, by the rules of
// sqlite3_complete (https://www.sqlite.org/c3ref/complete.html): the last token
// is a semicolon, outside strings and comments, and not inside the body of a
// CREATE TRIGGER, which ends at ";END;". Unlike the C function it goes on where
// it left off, so that a statement of a hundred thousand lines is read once.
type scanner struct {
	state state
	open  byte // the quote or bracket to be closed; '*' in a block comment
	text  bool // something besides spaces and comments was seen
}

type state uint8

const (
	stateNone state = iota // nothing but spaces so far
	stateStart
	stateNormal
	stateExplain
	stateCreate
	stateTrigger
	stateSemi // ";" in a trigger's body
	stateEnd  // ";END" in a trigger's body
)

type token uint8

const (
	tokSemi token = iota
	tokSpace
	tokOther
	tokExplain
	tokCreate
	tokTemp
	tokTrigger
	tokEnd
)

// next is the table of SQLite's complete.c, state by token.
var next = [8][8]state{
	stateNone:    {stateStart, stateNone, stateNormal, stateExplain, stateCreate, stateNormal, stateNormal, stateNormal},
	stateStart:   {stateStart, stateStart, stateNormal, stateExplain, stateCreate, stateNormal, stateNormal, stateNormal},
	stateNormal:  {stateStart, stateNormal, stateNormal, stateNormal, stateNormal, stateNormal, stateNormal, stateNormal},
	stateExplain: {stateStart, stateExplain, stateExplain, stateNormal, stateCreate, stateNormal, stateNormal, stateNormal},
	stateCreate:  {stateStart, stateCreate, stateNormal, stateNormal, stateNormal, stateCreate, stateTrigger, stateNormal},
	stateTrigger: {stateSemi, stateTrigger, stateTrigger, stateTrigger, stateTrigger, stateTrigger, stateTrigger, stateTrigger},
	stateSemi:    {stateSemi, stateSemi, stateTrigger, stateTrigger, stateTrigger, stateTrigger, stateTrigger, stateEnd},
	stateEnd:     {stateStart, stateEnd, stateTrigger, stateTrigger, stateTrigger, stateTrigger, stateTrigger, stateTrigger},
}

// complete reports whether the text so far ends a statement.
func (s *scanner) complete() bool { return s.open == 0 && s.state == stateStart }

// blank reports whether the text so far is only spaces and closed comments.
func (s *scanner) blank() bool { return s.open == 0 && !s.text }

// feed reads more text: whole lines, so that no token but a string, a quoted
// name or a block comment goes on into the next call.
func (s *scanner) feed(text string) {
	for i := 0; i < len(text); {
		if s.open != 0 {
			i = s.closing(text, i)
			continue
		}
		tok, n := s.token(text[i:])
		i += n
		s.state = next[s.state][tok]
		s.text = s.text || tok != tokSpace
	}
}

// closing skips to the end of the open string or comment.
func (s *scanner) closing(text string, i int) int {
	end := string(s.open)
	if s.open == '*' {
		end = "*/"
	}
	n := strings.Index(text[i:], end)
	if n < 0 {
		return len(text)
	}
	tok := tokOther
	if s.open == '*' {
		tok = tokSpace
	}
	s.open, s.state = 0, next[s.state][tok]
	return i + n + len(end)
}

// token returns the token at the start of text and its length. For one that has
// to be closed it returns only the opening and notes what closes it.
func (s *scanner) token(text string) (token, int) {
	switch c := text[0]; {
	case c == ';':
		return tokSemi, 1
	case strings.IndexByte(" \r\t\n\f", c) >= 0:
		return tokSpace, 1
	case strings.HasPrefix(text, "/*"):
		s.open = '*'
		return tokSpace, 2
	case strings.HasPrefix(text, "--"):
		if n := strings.IndexByte(text, '\n'); n >= 0 {
			return tokSpace, n + 1
		}
		return tokSpace, len(text)
	case c == '[':
		s.open, s.text = ']', true
		return tokSpace, 1
	case c == '"' || c == '\'' || c == '`':
		s.open, s.text = c, true
		return tokSpace, 1
	case isWord(c):
		n := 1
		for n < len(text) && isWord(text[n]) {
			n++
		}
		return keyword(text[:n]), n
	}
	return tokOther, 1
}

func isWord(c byte) bool {
	return c >= 0x80 || c == '_' || c == '$' ||
		'0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func keyword(word string) token {
	switch {
	case strings.EqualFold(word, "explain"):
		return tokExplain
	case strings.EqualFold(word, "create"):
		return tokCreate
	case strings.EqualFold(word, "temp"), strings.EqualFold(word, "temporary"):
		return tokTemp
	case strings.EqualFold(word, "trigger"):
		return tokTrigger
	case strings.EqualFold(word, "end"):
		return tokEnd
	}
	return tokOther
}

// skipBlank returns how many bytes of spaces and comments sql begins with.
func skipBlank(sql string) int {
	for i := 0; i < len(sql); {
		var s scanner
		tok, n := s.token(sql[i:])
		switch {
		case tok != tokSpace || s.open != 0 && s.open != '*':
			return i
		case s.open == '*':
			i = s.closing(sql, i+n)
		default:
			i += n
		}
	}
	return len(sql)
}
