package shell

import (
	"bufio"
	"strings"

	"github.com/mattn/go-runewidth"
)

// gridPrinter is column, box and table: every row is kept until the widths are
// known.
type gridPrinter struct {
	s     *session
	names []string
	rows  [][][]string // row, column, line of a value with line breaks
}

func (p *gridPrinter) row(vals []value) error {
	row := make([][]string, len(vals))
	for i, v := range vals {
		row[i] = cell(p.s.text(v))
	}
	p.rows = append(p.rows, row)
	return nil
}

// cell splits a value at its line breaks and widens its tabs to columns of 8.
func cell(t string) []string {
	t = strings.TrimSuffix(strings.ReplaceAll(t, "\r\n", "\n"), "\n")
	lines := strings.Split(t, "\n")
	for i, l := range lines {
		for n := strings.IndexByte(l, '\t'); n >= 0; n = strings.IndexByte(l, '\t') {
			l = l[:n] + strings.Repeat(" ", 8-runewidth.StringWidth(l[:n])%8) + l[n+1:]
		}
		lines[i] = caret(l, "")
	}
	return lines
}

// rules are the strokes of one mode. A rule is left, fill, between, right; row
// is left, between, right. Column mode has only spaces.
type rules struct {
	top, middle, bottom [4]string
	row                 [3]string
	center              bool
}

var grids = map[mode]rules{
	modeColumn: {row: [3]string{"", "  ", ""}},
	modeTable: {
		top:    [4]string{"+", "-", "+", "+"},
		middle: [4]string{"+", "-", "+", "+"},
		bottom: [4]string{"+", "-", "+", "+"},
		row:    [3]string{"| ", " | ", " |"},
		center: true,
	},
	modeBox: {
		top:    [4]string{"┌", "─", "┬", "┐"},
		middle: [4]string{"├", "─", "┼", "┤"},
		bottom: [4]string{"└", "─", "┴", "┘"},
		row:    [3]string{"│ ", " │ ", " │"},
		center: true,
	},
}

func (p *gridPrinter) end() error {
	if len(p.rows) == 0 {
		return nil
	}
	w := p.widths()
	g := grids[p.s.mode]
	out := p.s.out
	g.rule(out, g.top, w)
	if p.s.mode != modeColumn || p.s.headers {
		g.header(out, p.names, w)
		g.rule(out, g.middle, w)
	}
	tall := false
	for _, row := range p.rows {
		for _, lines := range row {
			tall = tall || len(lines) > 1
		}
	}
	for i, row := range p.rows {
		if i > 0 && tall {
			if p.s.mode == modeColumn {
				out.WriteByte('\n')
			}
			g.rule(out, g.middle, w)
		}
		g.lines(out, row, w)
	}
	g.rule(out, g.bottom, w)
	return nil
}

func (p *gridPrinter) widths() []int {
	w := make([]int, len(p.names))
	for i := range p.names {
		p.names[i] = caret(p.names[i], "")
		w[i] = runewidth.StringWidth(p.names[i])
	}
	for _, row := range p.rows {
		for i, lines := range row {
			for _, l := range lines {
				w[i] = max(w[i], runewidth.StringWidth(l))
			}
		}
	}
	return w
}

func (g rules) rule(out *bufio.Writer, strokes [4]string, w []int) {
	if strokes[1] == "" {
		return
	}
	out.WriteString(strokes[0])
	for i, n := range w {
		if i > 0 {
			out.WriteString(strokes[2])
		}
		out.WriteString(strings.Repeat(strokes[1], n+2))
	}
	out.WriteString(strokes[3] + "\n")
}

func (g rules) header(out *bufio.Writer, names []string, w []int) {
	head := make([][]string, len(names))
	line := make([][]string, len(names))
	for i, n := range names {
		if g.center {
			n = strings.Repeat(" ", (w[i]-runewidth.StringWidth(n))/2) + n
		}
		head[i] = []string{n}
		line[i] = []string{strings.Repeat("-", w[i])}
	}
	g.lines(out, head, w)
	if !g.center {
		g.lines(out, line, w)
	}
}

// lines prints one row, as many lines as its tallest value has.
func (g rules) lines(out *bufio.Writer, row [][]string, w []int) {
	for n, more := 0, true; more; n++ {
		more = false
		out.WriteString(g.row[0])
		for i, lines := range row {
			if i > 0 {
				out.WriteString(g.row[1])
			}
			l := ""
			if n < len(lines) {
				l = lines[n]
			}
			more = more || n+1 < len(lines)
			out.WriteString(runewidth.FillRight(l, w[i]))
		}
		out.WriteString(g.row[2] + "\n")
	}
}
