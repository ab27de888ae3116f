package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/shell"
)

type shellCmd struct {
	SQL      []string `arg:"" optional:"" name:"sql" help:"Statements to run, each an argument; without any, they are read from standard input."`
	ReadOnly bool     `name:"readonly" help:"Refuse to write."`
}

// Run runs SQL as any application would: what it changes is captured.
func (c *shellCmd) Run(ctx context.Context, a *app) error {
	path, err := a.path()
	if err != nil {
		return err
	}
	if err := cdc.Probe(ctx, path); err != nil {
		return explain(path, err)
	}
	db, err := sql.Open("sqlite", cdc.AppDSN(path))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	o := shell.Options{DB: db, In: a.stdin, Out: a.stdout, Err: a.stderr, ReadOnly: c.ReadOnly, Prompt: "sqlsync> "}
	if a.JSON {
		o.Mode = "json"
	}
	if len(c.SQL) > 0 {
		return shell.Exec(ctx, o, statements(c.SQL))
	}
	if f, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.Interactive = true
		ctx = context.WithoutCancel(ctx) // the shell takes Ctrl-C itself
		if dir, err := os.UserConfigDir(); err == nil {
			o.HistoryFile = filepath.Join(dir, "sqlsync", "history")
		}
	}
	return shell.Run(ctx, o)
}

// statements makes a script of arguments, each of which may be a statement
// without a semicolon or a dot command.
func statements(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	var b strings.Builder
	for _, arg := range args {
		b.WriteString(arg)
		if !strings.HasPrefix(strings.TrimSpace(arg), ".") {
			b.WriteString("\n;") // on a line of its own: the last one may be a comment
		}
		b.WriteByte('\n')
	}
	return b.String()
}
