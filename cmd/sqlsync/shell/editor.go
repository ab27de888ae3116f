package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"

	"github.com/mattn/go-runewidth"
	"github.com/peterh/liner"
)

// editor reads lines from the process's terminal. Only while it waits for a line
// is Ctrl-C a key; at other times the terminal sends SIGINT.
type editor struct {
	line    *liner.State
	history string

	mu     sync.Mutex // held by completion, which may outlive read
	closed bool
}

func newEditor(s *session, history string) (*editor, error) {
	e := &editor{line: liner.NewLiner(), history: history}
	e.line.SetCtrlCAborts(true)
	e.line.SetTabCompletionStyle(liner.TabPrints)
	e.line.SetWordCompleter(func(line string, pos int) (string, []string, string) {
		e.mu.Lock()
		defer e.mu.Unlock()
		r := []rune(line)
		if e.closed {
			return string(r[:pos]), nil, string(r[pos:])
		}
		return s.complete(string(r[:pos]), string(r[pos:]))
	})
	if history == "" {
		return e, nil
	}
	f, err := os.Open(history)
	if errors.Is(err, os.ErrNotExist) {
		return e, nil
	}
	if err == nil {
		_, err = e.line.ReadHistory(f)
		f.Close()
	}
	return e, err
}

// read returns a line; io.EOF at Ctrl-D, liner.ErrPromptAborted at Ctrl-C. When
// ctx ends first, the read of the terminal cannot be called back: it is left
// behind, the terminal is restored by close, and completion no longer works.
func (e *editor) read(ctx context.Context, prompt string) (string, error) {
	type result struct {
		line string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		line, err := e.line.Prompt(prompt)
		got <- result{line, err}
	}()
	select {
	case r := <-got:
		if r.err == nil && strings.TrimSpace(r.line) != "" {
			e.line.AppendHistory(r.line)
		}
		return r.line, r.err
	case <-ctx.Done():
		e.mu.Lock()
		e.closed = true
		e.mu.Unlock()
		return "", ctx.Err()
	}
}

// close restores the terminal and writes the history, for its owner only: what
// was typed may hold anything.
func (e *editor) close() (err error) {
	defer func() { err = errors.Join(err, e.line.Close()) }()
	if e.history == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(e.history), 0o700); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	f, err := os.OpenFile(e.history, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	_, err = e.line.WriteHistory(f)
	return errors.Join(err, f.Close())
}

// interact reads and runs what is typed until Ctrl-D or `.quit`.
func (s *session) interact(ctx context.Context, o Options) (err error) {
	// Keeps a SIGINT that comes while nothing runs from ending the process.
	idle := make(chan os.Signal, 1)
	signal.Notify(idle, os.Interrupt)
	defer signal.Stop(idle)

	ed, err := newEditor(s, o.HistoryFile)
	if err != nil {
		fmt.Fprintf(s.err, "sqlsync: history is not read: %v\n", err)
	}
	defer func() { err = errors.Join(err, ed.close()) }()
	first := o.Prompt
	if first == "" {
		first = "sqlsync> "
	}
	more := runewidth.FillLeft("...> ", runewidth.StringWidth(first))
	fmt.Fprintf(s.out, "SQLite %s. Statements end with a semicolon; \".help\" lists commands.\n", s.c.version())
	s.out.Flush()
	var in input
	for !s.quit {
		prompt := first
		if !in.scan.blank() {
			prompt = more
		}
		line, err := ed.read(ctx, prompt)
		switch {
		case errors.Is(err, liner.ErrPromptAborted):
			in.reset()
			continue
		case errors.Is(err, io.EOF):
			fmt.Fprintln(s.out)
			return nil
		case err != nil:
			return err
		}
		text, ok := in.add(line)
		if !ok {
			continue
		}
		if err := s.runTyped(ctx, in.first, text); err != nil {
			return err
		}
	}
	return nil
}

// runTyped runs text until Ctrl-C, and shows an error instead of returning it,
// unless the shell cannot go on.
func (s *session) runTyped(ctx context.Context, line int, text string) error {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	sig := make(chan os.Signal, 1)
	signal.Notify(sig, os.Interrupt)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-sig:
			stop(errInterrupted)
		case <-running.Done():
		}
	}()
	defer func() { signal.Stop(sig); stop(nil); <-watched }()

	err := s.run(running, "", line, text)
	var at *Error
	if err == nil || !errors.As(err, &at) || ctx.Err() != nil {
		return err
	}
	if at.File == "" {
		err = at.Err // which line, the user sees
	}
	fmt.Fprintf(s.err, "sqlsync: %v\n", err)
	return nil
}
