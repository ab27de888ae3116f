package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// input gathers lines until they are a command or whole statements.
type input struct {
	scan  scanner
	text  strings.Builder
	line  int // the last line read
	first int // the line at which what add or rest returned begins
}

// add takes one line, without its newline, and returns what can be run: a dot
// command, or text that ends statements. At the start of a statement, blank
// lines, comments and lines that begin with # are dropped, as by sqlite3.
func (in *input) add(line string) (run string, ok bool) {
	in.line++
	if in.scan.blank() {
		in.reset()
		if strings.HasPrefix(line, ".") {
			in.first = in.line
			return line, true
		}
		if strings.HasPrefix(line, "#") {
			return "", false
		}
	}
	if in.text.Len() == 0 {
		in.first = in.line
	}
	in.text.WriteString(line)
	in.text.WriteByte('\n')
	in.scan.feed(line + "\n")
	if !in.scan.complete() {
		return "", false
	}
	defer in.reset()
	return in.text.String(), true
}

// rest returns the text that no semicolon has ended.
func (in *input) rest() (string, bool) {
	defer in.reset()
	return in.text.String(), !in.scan.blank()
}

func (in *input) reset() {
	in.scan = scanner{}
	in.text.Reset()
}

// script runs everything in r, up to the first error.
func (s *session) script(ctx context.Context, file string, r io.Reader) error {
	src := bufio.NewReader(r)
	var in input
	for !s.quit {
		line, err := readLine(ctx, src)
		if err == io.EOF {
			if text, ok := in.rest(); ok {
				return s.run(ctx, file, in.first, text)
			}
			return nil
		}
		if err != nil {
			return err
		}
		text, ok := in.add(line)
		if !ok {
			continue
		}
		if err := s.run(ctx, file, in.first, text); err != nil {
			return err
		}
	}
	return nil
}

// readLine returns a line without its end, or io.EOF when nothing is left.
func readLine(ctx context.Context, r *bufio.Reader) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	line, err := r.ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil
	}
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read statements: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err
}

// run runs one dot command, or the statements of text, which begins at line
// first. An error is an *Error with the line of the statement that failed.
func (s *session) run(ctx context.Context, file string, first int, text string) error {
	if strings.HasPrefix(text, ".") {
		return s.locate(file, first, s.command(ctx, text))
	}
	for {
		blank := skipBlank(text)
		first += strings.Count(text[:blank], "\n")
		if text = text[blank:]; text == "" {
			return nil
		}
		n, err := s.statement(ctx, text)
		if err := s.locate(file, first, err); err != nil {
			return err
		}
		first += strings.Count(text[:n], "\n")
		text = text[n:]
	}
}

// locate flushes what the statement printed, so that results and messages keep
// their order, and says where err happened.
func (s *session) locate(file string, line int, err error) error {
	if e := s.out.Flush(); e != nil {
		return fmt.Errorf("print rows: %w", e)
	}
	var at *Error
	if err == nil || errors.As(err, &at) {
		return err
	}
	return &Error{File: file, Line: line, Err: err}
}

// statement runs the first statement of text and returns its length. The end of
// ctx interrupts it.
func (s *session) statement(ctx context.Context, text string) (n int, err error) {
	st, n, err := s.c.prepare(text)
	if err != nil || st == nil {
		return n, err
	}
	defer st.finalize()
	defer s.interruptAtEnd(ctx)()
	p := s.printer(st.columns())
	if st.isPlan() && s.mode != modeJSON {
		p = &planPrinter{s: s}
	}
	vals := make([]value, len(st.columns()))
	for {
		ok, err := st.step()
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		if err != nil {
			return n, err
		}
		if !ok {
			break
		}
		st.row(vals)
		if err := p.row(vals); err != nil {
			return n, fmt.Errorf("print rows: %w", err)
		}
	}
	return n, p.end()
}

// interruptAtEnd interrupts the connection when ctx ends, until the returned
// function is called; after that no interrupt can reach a later statement.
func (s *session) interruptAtEnd(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		s.c.interrupt()
	})
	return func() {
		if !cancel() {
			<-done
		}
	}
}
