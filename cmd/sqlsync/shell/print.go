package shell

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

type mode string

const (
	modeList   mode = "list"
	modeColumn mode = "column"
	modeBox    mode = "box"
	modeCSV    mode = "csv"
	modeJSON   mode = "json"
	modeLine   mode = "line"
	modeTabs   mode = "tabs"
	modeTable  mode = "table"
)

var modes = []string{"box", "column", "csv", "json", "line", "list", "table", "tabs"}

// format is how rows are shown.
type format struct {
	mode       mode
	headers    bool
	headersSet bool   // by the user; `.mode column` does not turn them on then
	null       string // shown for NULL, save in json
	colSep     string // between columns
	rowEnd     string // after a row
}

// setMode changes the mode, with what sqlite3 changes along with it.
func (s *session) setMode(name string) error {
	if name == "tab" {
		name = "tabs"
	}
	known := false
	for _, m := range modes {
		known = known || m == name
	}
	if !known {
		return fmt.Errorf("no mode %q: one of %s", name, strings.Join(modes, " "))
	}
	s.mode, s.colSep, s.rowEnd = mode(name), "|", "\n"
	switch s.mode {
	case modeCSV:
		s.colSep, s.rowEnd = ",", "\r\n"
	case modeTabs:
		s.colSep = "\t"
	case modeColumn:
		s.headers = s.headers || !s.headersSet
	}
	return nil
}

// A printer shows the rows of one statement. One without rows prints nothing,
// not even headers.
type printer interface {
	row([]value) error // the values are valid during the call
	end() error
}

func (s *session) printer(names []string) printer {
	switch s.mode {
	case modeJSON:
		return &jsonPrinter{s: s, names: names}
	case modeLine:
		return &linePrinter{s: s, names: names}
	case modeColumn, modeBox, modeTable:
		return &gridPrinter{s: s, names: names}
	}
	return &listPrinter{s: s, names: names}
}

// text is a value as list mode shows it: the stored bytes; a real with 15
// digits, as the sqlite3 program does.
func (s *session) text(v value) string {
	switch v.kind {
	case kindNull:
		return s.null
	case kindReal:
		return s.c.formatReal("%!.15g", v.real)
	}
	return v.text
}

// shown is text for a terminal, where a stored escape sequence must not act:
// control characters become ^X there, as newer sqlite3 programs have it.
func (s *session) shown(v value) string {
	if t := s.text(v); s.terminal {
		return caret(t, "\t\n")
	} else {
		return t
	}
}

func caret(t, keep string) string {
	plain := func(r rune) bool {
		return r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) || strings.ContainsRune(keep, r)
	}
	if strings.IndexFunc(t, func(r rune) bool { return !plain(r) }) < 0 {
		return t
	}
	var b strings.Builder
	for i, n := 0, 0; i < len(t); i += n {
		var r rune
		switch r, n = utf8.DecodeRuneInString(t[i:]); {
		case plain(r):
			b.WriteString(t[i : i+n])
		case r < 0x80:
			b.WriteByte('^')
			b.WriteByte(byte(r) ^ 0x40)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// flushRow lets a terminal see each row as it comes.
func (s *session) flushRow() error {
	if s.terminal {
		return s.out.Flush()
	}
	return nil
}

// listPrinter is list, tabs and csv.
type listPrinter struct {
	s     *session
	names []string
	begun bool
}

func (p *listPrinter) row(vals []value) error {
	s := p.s
	if s.headers && !p.begun {
		for i, name := range p.names {
			p.field(i, name)
		}
		s.out.WriteString(s.rowEnd)
	}
	p.begun = true
	for i, v := range vals {
		if v.kind == kindNull {
			p.put(i, s.null)
		} else {
			p.field(i, s.shown(v))
		}
	}
	s.out.WriteString(s.rowEnd)
	return s.flushRow()
}

func (p *listPrinter) put(i int, t string) {
	if i > 0 {
		p.s.out.WriteString(p.s.colSep)
	}
	p.s.out.WriteString(t)
}

func (p *listPrinter) field(i int, t string) {
	if p.s.mode == modeCSV && needsCSVQuote(t, p.s.colSep) {
		t = `"` + strings.ReplaceAll(t, `"`, `""`) + `"`
	}
	p.put(i, t)
}

func (p *listPrinter) end() error { return nil }

// needsCSVQuote follows sqlite3, which quotes more than RFC 4180 asks for.
func needsCSVQuote(t, sep string) bool {
	for i := range len(t) {
		if c := t[i]; c <= ' ' || c == '"' || c == '\'' || c >= 0x7f {
			return true
		}
	}
	return t == "" || strings.Contains(t, sep)
}

// linePrinter is line: one column a line, a blank line between rows.
type linePrinter struct {
	s     *session
	names []string
	rows  int
}

func (p *linePrinter) row(vals []value) error {
	width := 5
	for _, n := range p.names {
		width = max(width, utf8.RuneCountInString(n))
	}
	if p.rows++; p.rows > 1 {
		p.s.out.WriteString("\n")
	}
	for i, v := range vals {
		fmt.Fprintf(p.s.out, "%*s = %s\n", width, p.names[i], p.s.shown(v))
	}
	return p.s.flushRow()
}

func (p *linePrinter) end() error { return nil }
