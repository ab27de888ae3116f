// Command sqlsync makes an existing SQLite file multi-master.
//
// Every verb has a file of its own, named after it. The grammar is the struct
// in this file; app.go has what verbs share.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// grammar is the command line. The comments on its fields are its help.
type grammar struct {
	DB        []string `name:"db" env:"SQLSYNC_DB" sep:"none" placeholder:"FILE" help:"Database file."`
	JSON      bool     `name:"json" help:"Print JSON."`
	LogLevel  string   `enum:"debug,info,warn,error" default:"info" help:"Least level that is logged: debug, info, warn or error."`
	LogFormat string   `enum:"text,json" default:"text" help:"Format of the log: text or json."`

	Init       initCmd       `cmd:"" help:"Create this node's identity and tables, and print its public key."`
	Key        keyCmd        `cmd:"" help:"Print this node's public key; change the key file's passphrase."`
	Watch      watchCmd      `cmd:"" help:"Replicate tables: install capture and take the existing rows as baseline."`
	Unwatch    unwatchCmd    `cmd:"" help:"Stop replicating tables; their data stays."`
	Tables     tablesCmd     `cmd:"" help:"List the tables: watched or not, and whether they could be."`
	Dataset    datasetCmd    `cmd:"" help:"List and set up datasets."`
	Remote     remoteCmd     `cmd:"" help:"Add, list, change and remove peers."`
	Invite     inviteCmd     `cmd:"" help:"Print a ticket with which one node can join."`
	Join       joinCmd       `cmd:"" help:"Add each other by ticket; a database that does not exist yet is made a replica."`
	Serve      serveCmd      `cmd:"" help:"Capture, serve, dial and apply until stopped."`
	Service    serviceCmd    `cmd:"" help:"Have systemd, launchd or Windows run serve."`
	Hook       hookCmd       `cmd:"" help:"Have serve give every change to a command or a URL."`
	Sync       syncCmd       `cmd:"" help:"Exchange with remotes until both sides have everything, then exit."`
	Clone      cloneCmd      `cmd:"" help:"Make a new replica of a remote's watched tables."`
	Digest     digestCmd     `cmd:"" help:"Print a digest of the content of tables."`
	Verify     verifyCmd     `cmd:"" help:"Compare rows with their metadata, check capture, and open every batch; or compare rows with a remote's."`
	Repair     repairCmd     `cmd:"" help:"Mend what verify finds: install capture anew, and seal rows that it missed."`
	Prune      pruneCmd      `cmd:"" help:"Drop batches and tombstones that every peer has confirmed."`
	Snapshot   snapshotCmd   `cmd:"" help:"A dataset as a file."`
	Status     statusCmd     `cmd:"" help:"Show how everything stands."`
	Doctor     doctorCmd     `cmd:"" help:"Say whether the database, this machine and the configuration are fit, and if not, what to do."`
	Log        logCmd        `cmd:"" help:"Show sealed changes, the newest last."`
	Conflicts  conflictsCmd  `cmd:"" help:"Show what lost, to what, and by which rule."`
	Shell      shellCmd      `cmd:"" help:"SQL shell on the database."`
	Uninstall  uninstallCmd  `cmd:"" help:"Remove every trace of sqlsync from the database."`
	Demo       demoCmd       `cmd:"" help:"Show two databases that become one, in a temporary folder."`
	Completion completionCmd `cmd:"" help:"Print the completion script of a shell."`
	Complete   completeCmd   `cmd:"" hidden:"" help:"Say what may come next on a command line; the completion scripts ask."`
	Man        manCmd        `cmd:"" help:"Print the manual page: sqlsync man | man -l -"`
	Version    versionCmd    `cmd:"" help:"Print the versions of sqlsync, Go and SQLite."`
}

func main() {
	if code, was := hosted(func(ctx context.Context, stderr io.Writer) int {
		return run(ctx, os.Args[1:], os.Stdin, io.Discard, stderr)
	}); was {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var g grammar
	exit := -1
	parser, err := kong.New(&g, kong.Name("sqlsync"), kong.Writers(stdout, stderr),
		kong.Description("Makes an existing SQLite file multi-master."),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(code int) { exit = code }))
	if err != nil {
		panic(err) // the grammar itself is wrong
	}
	args = spelled(args)
	k, err := parser.Parse(args)
	if exit >= 0 { // --help
		return exit
	}
	a := &app{grammar: &g, stdin: stdin, stdout: stdout, stderr: stderr}
	if err != nil {
		a.complain(usage(err.Error(), helpFor(err)))
		return exitUsage
	}
	if slices.Contains(g.DB, "") {
		a.complain(usage("--db is empty", "name the database file"))
		return exitUsage
	}
	k.BindTo(ctx, (*context.Context)(nil))
	if err = k.Run(a); err == nil {
		err = a.lost
	}
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errQuiet):
		return exitFailed
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(stderr, "sqlsync: interrupted")
		return exitFailed
	}
	a.complain(err)
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}

// helpFor says where to look, as far as the command line was understood.
func helpFor(err error) string {
	var e *kong.ParseError
	if rest, ok := strings.CutPrefix(err.Error(), "unexpected argument "); ok {
		file, _, _ := strings.Cut(rest, ", did you mean ")
		if _, err := os.Stat(file); err == nil && !strings.HasPrefix(file, "-") {
			return "--db takes one file: repeat it for more, and quote a pattern, or the shell replaces it: --db '" + filepath.Join(filepath.Dir(file), "*.db") + "'"
		}
	}
	if !errors.As(err, &e) || e.Context == nil || e.Context.Selected() == nil {
		return "sqlsync --help shows the verbs and their flags"
	}
	path := ""
	for n := e.Context.Selected(); n.Parent != nil; n = n.Parent {
		path = " " + n.Name + path
	}
	return "sqlsync" + path + " --help shows how it is used"
}

// spelled turns what people try first into the verbs that there are.
func spelled(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case args[0] == "--version":
		return append([]string{"version"}, args[1:]...)
	}
	return args
}
