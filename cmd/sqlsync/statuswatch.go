package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"sqlsync/cdc"
)

// watchEvery is how often a status is read again, if nothing is written.
const watchEvery = time.Second

// watch shows the status until ctx ends: on a terminal in one place, elsewhere
// again whenever it is another.
func (c *statusCmd) watch(ctx context.Context, a *app, store *cdc.Store) error {
	changed, stop := store.Changed()
	defer stop()
	following, cancel := context.WithCancel(ctx)
	var all group
	defer all.Wait()
	defer cancel()
	all.Go(func() { _ = store.Watchdog(following) }) // there is the timer, too
	show := a.shower()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		st, err := readStatus(ctx, store)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return explain(store.Path(), err)
		}
		if err := show(st); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
		}
	}
}

// shower returns what shows a status.
func (a *app) shower() func(*status) error {
	if f, ok := a.stdout.(*os.File); ok && !a.JSON && term.IsTerminal(int(f.Fd())) {
		s := &screen{out: f, size: func() (int, int, error) { return term.GetSize(int(f.Fd())) }}
		return s.show
	}
	last := ""
	return func(st *status) error {
		var b strings.Builder
		on := &app{grammar: a.grammar, stdout: &b}
		var err error
		if a.JSON {
			err = on.printJSON(st)
		} else {
			err = st.write(&b)
		}
		if err != nil || b.String() == last {
			return err
		}
		if last != "" {
			fmt.Fprintln(a.stdout)
		}
		last = b.String()
		_, err = io.WriteString(a.stdout, last)
		return err
	}
}

// screen shows texts in one place of a terminal, and leaves what is above as
// it was.
type screen struct {
	out   io.Writer
	size  func() (width, height int, err error)
	lines int // shown last
}

const (
	toLineEnd   = "\x1b[K"
	toScreenEnd = "\x1b[J"
)

func (s *screen) show(st *status) error {
	var text, b bytes.Buffer
	if err := st.write(&text); err != nil {
		return err
	}
	width, height, err := s.size()
	if err != nil {
		width, height = 80, 24
	}
	var lines []string
	for line := range strings.Lines(text.String()) {
		lines = append(lines, fitted(strings.TrimSuffix(line, "\n"), width)...)
	}
	// One line more would make the terminal scroll, and the next text would
	// begin in another place.
	if height > 1 && len(lines) > height-1 {
		lines = lines[:height-1]
	}
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", min(s.lines, max(1, height-1)))
	}
	for _, line := range lines {
		b.WriteString(line + toLineEnd + "\n")
	}
	b.WriteString(toScreenEnd)
	s.lines = len(lines)
	_, err = s.out.Write(b.Bytes())
	return err
}

// fitted makes lines of a width of one: of a table's row, which has columns, what
// is too much is cut off; what is said goes on in the next line.
func fitted(line string, width int) []string {
	if strings.Contains(line, "  ") {
		return []string{runewidth.Truncate(line, width, "…")}
	}
	return strings.Split(runewidth.Wrap(line, width), "\n")
}
