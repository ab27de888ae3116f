package shell

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// jsonPrinter is json: an array of objects, a row a line.
type jsonPrinter struct {
	s     *session
	names []string
	begun bool
}

func (p *jsonPrinter) row(vals []value) error {
	s := p.s
	if p.begun {
		s.out.WriteString(",\n{")
	} else {
		s.out.WriteString("[{")
	}
	p.begun = true
	for i, v := range vals {
		if i > 0 {
			s.out.WriteByte(',')
		}
		s.out.WriteString(jsonText(p.names[i]))
		s.out.WriteByte(':')
		s.out.WriteString(p.value(v))
	}
	s.out.WriteByte('}')
	return s.flushRow()
}

func (p *jsonPrinter) value(v value) string {
	switch {
	case v.kind == kindNull:
		return "null"
	case v.kind == kindReal && math.IsInf(v.real, 0):
		return strings.Replace(p.s.c.formatReal("%!.15g", v.real), "Inf", "1e999", 1)
	case v.kind == kindReal: // 17 digits give the same double back
		return p.s.c.formatReal("%!.17g", v.real)
	case v.kind == kindInt:
		return v.text
	}
	return jsonText(v.text)
}

func (p *jsonPrinter) end() error {
	if p.begun {
		p.s.out.WriteString("]\n")
	}
	return nil
}

// jsonText is a JSON string: text as it is, and bytes that are no UTF-8 as
// \u00XX, where sqlite3 prints what no JSON parser takes.
func jsonText(t string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, n := 0, 0; i < len(t); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(t[i:])
		short := strings.IndexByte("\"\\\b\f\n\r\t", t[i])
		switch {
		case short >= 0:
			b.WriteByte('\\')
			b.WriteByte(`"\bfnrt`[short])
		case r < ' ' || r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\u%04x`, t[i])
		default:
			b.WriteString(t[i : i+n])
		}
	}
	b.WriteByte('"')
	return b.String()
}
