package shell

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Options say what the shell works on and how it looks. DB, Out and Err must be
// set, In for a script; the rest has defaults.
type Options struct {
	// DB is a pool of modernc.org/sqlite connections on the user's file. One of
	// them is held until the shell ends.
	DB *sql.DB
	// In is the script, when Interactive is not set.
	In io.Reader
	// Out gets results, Err gets messages.
	Out, Err io.Writer
	// Interactive reads lines from the process's own terminal, with editing,
	// history and completion; errors are shown and do not end the shell. The
	// shell then handles Ctrl-C (SIGINT) itself: it stops the running
	// statement, so the context must not end on it.
	Interactive bool
	// HistoryFile keeps typed lines between runs; none if empty.
	HistoryFile string
	// ReadOnly refuses writes by `PRAGMA query_only`.
	ReadOnly bool
	// Prompt is "sqlsync> " if empty.
	Prompt string
	// Mode is the first output mode: "list" if empty, "box" on a terminal.
	Mode string
}

// Error is a statement or a command that failed, and where it began.
type Error struct {
	File string // of .read; empty for standard input and arguments
	Line int    // 1 is the first
	Err  error
}

func (e *Error) Error() string {
	if e.File != "" {
		return fmt.Sprintf("%s: line %d: %v", e.File, e.Line, e.Err)
	}
	return fmt.Sprintf("line %d: %v", e.Line, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Run reads and runs statements until the end of the input, `.quit`, or the end
// of the context. A script stops at its first error, which is an *Error. A
// transaction that is still open at the end is rolled back.
func Run(ctx context.Context, o Options) error {
	return hold(ctx, o, func(s *session) error {
		if o.Interactive {
			return s.interact(ctx, o)
		}
		return s.script(ctx, "", o.In)
	})
}

// Exec runs the statements or the dot command in sql, whose last semicolon may
// be left out, and stops at the first error.
func Exec(ctx context.Context, o Options, sql string) error {
	o.Interactive = false
	return hold(ctx, o, func(s *session) error {
		err := s.script(ctx, "", strings.NewReader(sql))
		var at *Error
		if errors.As(err, &at) && at.File == "" && !strings.Contains(strings.TrimSpace(sql), "\n") {
			return at.Err
		}
		return err
	})
}

// hold runs f in a session on one connection and leaves that as it was.
func hold(ctx context.Context, o Options, f func(*session) error) error {
	held, err := o.DB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open shell: %w", err)
	}
	defer held.Close()
	return held.Raw(func(driverConn any) error {
		c, err := newConn(driverConn)
		if err != nil {
			return err
		}
		defer c.close()
		s := newSession(c, o)
		if o.Mode != "" {
			if err := s.setMode(o.Mode); err != nil {
				return err
			}
		}
		if o.ReadOnly {
			was, err := c.strings("PRAGMA query_only")
			if err != nil {
				return fmt.Errorf("open shell: %w", err)
			}
			if _, err := c.strings("PRAGMA query_only = 1"); err != nil {
				return fmt.Errorf("open shell: %w", err)
			}
			defer c.strings("PRAGMA query_only = " + was[0][0])
		}
		return errors.Join(f(s), s.end())
	})
}

// session is one run of the shell: its settings and the connection.
type session struct {
	c        *conn
	out      *bufio.Writer
	err      io.Writer
	terminal bool // show control characters, flush rows as they come
	format
	all   bool // show sqlsync's own tables
	quit  bool
	depth int // of .read
}

func newSession(c *conn, o Options) *session {
	s := &session{c: c, out: bufio.NewWriter(o.Out), err: o.Err, terminal: o.Interactive}
	s.format = format{mode: modeList, colSep: "|", rowEnd: "\n"}
	if o.Interactive {
		s.mode = modeBox
	}
	return s
}

// end rolls back what is open: the connection goes back to a pool.
func (s *session) end() error {
	if !s.c.autocommit() {
		fmt.Fprintln(s.err, "sqlsync: the open transaction was rolled back")
		if _, err := s.c.strings("ROLLBACK"); err != nil {
			return fmt.Errorf("end shell: %w", err)
		}
	}
	return s.out.Flush()
}
