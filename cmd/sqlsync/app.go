package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/migrations"
	"sqlsync/replicate/mesh"
)

// app is what a verb works with.
type app struct {
	*grammar
	stdin          io.Reader
	stdout, stderr io.Writer
	// observe returns what a database that is opened tells its work to, nil
	// mostly.
	observe func(path string) func(cdc.Work)
	// noExchange is as mesh.Options has it.
	noExchange bool
	// unlocked is the identity that a verb about keys has at hand, so that
	// nobody is asked for its passphrase again.
	unlocked *crypto.Identity
	// lost is the first error of printing data.
	lost error
}

// lockWait is how long a verb that ends waits for other programs' locks.
const lockWait = 10 * time.Second

var (
	// errUsage marks errors of the command line.
	errUsage = errors.New("wrong usage")
	// errQuiet says that everything there is to say was said.
	errQuiet = errors.New("failed")
)

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }

// hint adds what to do to an error.
func hint(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// usage is an error of the command line.
func usage(what, remedy string) error {
	return &hinted{&usageError{what}, remedy}
}

type usageError struct{ what string }

func (e *usageError) Error() string        { return e.what }
func (e *usageError) Is(target error) bool { return target == errUsage }

// complain prints an error, on one line, and its remedy on another.
func (a *app) complain(err error) {
	fmt.Fprintln(a.stderr, "sqlsync: "+oneLine(err.Error()))
	var h interface{ Hint() string }
	switch {
	case cdc.IsFull(err):
		fmt.Fprintln(a.stderr, "hint: make room on the disk that has the database; what was not written is tried again then")
	case errors.As(err, &h) && h.Hint() != "":
		fmt.Fprintln(a.stderr, "hint: "+h.Hint())
	}
}

func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, "sqlsync: "+format+"\n", args...)
}

// tell prints a line of what was done, for people.
func (a *app) tell(format string, args ...any) {
	if !a.JSON {
		a.printf(format+"\n", args...)
	}
}

// printf prints data. What could not be printed fails the verb when it is done.
func (a *app) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(a.stdout, format, args...); a.lost == nil {
		a.lost = err
	}
}

// printJSON prints v as indented JSON.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (a *app) logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(a.LogLevel)) // one of the grammar's enum
	o := &slog.HandlerOptions{Level: level}
	if a.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, o))
	}
	return slog.New(slog.NewTextHandler(a.stderr, o))
}

// path returns the one database that the verb is about.
func (a *app) path() (string, error) {
	switch len(a.DB) {
	case 0:
		return "", usage("no database named", "use --db FILE, or set $SQLSYNC_DB")
	case 1:
		if isPattern(a.DB[0]) && strings.ContainsAny(a.DB[0], "*?") { // brackets may name a file to be made
			return "", usage(a.DB[0]+" is a pattern, or no file", "only serve takes a pattern; name one database")
		}
		return a.DB[0], nil
	}
	return "", usage("more than one --db", "only serve takes several")
}

// open opens the database that the verb is about, making it a node.
func (a *app) open(ctx context.Context) (*cdc.Store, error) {
	path, err := a.path()
	if err != nil {
		return nil, err
	}
	store, _, err := mesh.OpenStore(ctx, path, a.meshOptions(ctx, path, lockWait))
	return store, explain(path, err)
}

// member opens a database as a member of its mesh.
func (a *app) member(ctx context.Context, path string) (*mesh.Member, error) {
	m, err := mesh.Open(ctx, path, a.meshOptions(ctx, path, lockWait))
	return m, explain(path, err)
}

func (a *app) meshOptions(ctx context.Context, path string, wait time.Duration) mesh.Options {
	o := mesh.Options{
		Software: "sqlsync " + version(), LockWait: wait, Log: a.logger(), NoExchange: a.noExchange,
		Unlock: func(keyFile string) (*crypto.Identity, error) {
			if a.unlocked != nil {
				return a.unlocked, nil
			}
			id, _, err := a.unlock(ctx, keyFile)
			return id, err
		},
	}
	if a.observe != nil {
		o.Observe = a.observe(path)
	}
	return o
}

// explain adds what to do to the errors that opening a database ends with.
func explain(path string, err error) error {
	var file *fs.PathError
	switch {
	case errors.Is(err, mesh.ErrServed):
		return hint(fmt.Errorf("%s is already being served", path), "stop the other sqlsync serve first")
	case errors.Is(err, mesh.ErrKeyMissing):
		return hint(fmt.Errorf("the key file of %s is missing: %s", path, mesh.KeyPath(path)),
			"put the key file back beside the database; for a copy, or where the key is lost: sqlsync --db %s key new --yes", path)
	case errors.Is(err, fs.ErrNotExist):
		return hint(fmt.Errorf("no database at %s", path), "check --db; sqlsync init --db %s makes a new one", path)
	case errors.Is(err, cdc.ErrNotDatabase) && isFolder(path):
		return hint(fmt.Errorf("%s is a folder", path), "name the database in it; serve also takes a pattern: --db '%s'", filepath.Join(path, "*.db"))
	case errors.Is(err, cdc.ErrNotDatabase):
		return hint(fmt.Errorf("%s is not a SQLite database", path), "check --db; a database that its application encrypts cannot be replicated")
	case errors.As(err, &file) && errors.Is(err, fs.ErrPermission) && slices.Contains([]string{path, mesh.KeyPath(path), mesh.DatasetKeysPath(path)}, file.Path):
		return hint(fmt.Errorf("%s cannot be opened by this user", file.Path), "run sqlsync as the file's owner, as which everything that is done with the database has to run")
	case errors.Is(err, cdc.ErrReadOnly), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return hint(fmt.Errorf("%s is read-only", path), "sqlsync needs to write to the database and its folder: check their owner and permissions")
	case errors.Is(err, cdc.ErrPruned):
		return hint(err, "begin anew without --cursor: sqlsync log shows what is kept, and the tables themselves hold the rest")
	case errors.Is(err, cdc.ErrNoDatasetKey):
		return hint(err, "join with a ticket of a node that has it (sqlsync invite there), or put back %s", mesh.DatasetKeysPath(path))
	case errors.Is(err, cdc.ErrLocked):
		return hint(fmt.Errorf("%s is locked by another program", path), "end the program's transaction or its exclusive lock, then try again")
	case errors.Is(err, cdc.ErrIdentity):
		return hint(err, "put back the key file that belongs to it, or make the copy a node of its own: sqlsync --db %s key new --yes", path)
	case cdc.Damaged(err):
		return hint(fmt.Errorf("%s is damaged: %w", path, err), "%s; sqlsync doctor says more", damageRemedy)
	case errors.Is(err, migrations.ErrNewer):
		return hint(err, "upgrade this sqlsync")
	}
	return explainKey(path, err)
}

func isFolder(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}

// explainKey does so for the errors of reading its key file.
func explainKey(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return hint(fmt.Errorf("no key file at %s", mesh.KeyPath(path)), "sqlsync init --db %s makes a node of a database", path)
	case errors.Is(err, crypto.ErrKeyPermissions):
		return hint(err, "chmod 600 %s", mesh.KeyPath(path))
	case errors.Is(err, crypto.ErrPassphrase):
		return hint(err, "try again, and check $%s; without the passphrase this identity is lost", passphraseEnv)
	}
	return err
}

// nodeKey is the text form of a node's key.
func nodeKey(n merge.NodeID) string { return crypto.PublicKey(n).String() }

// short is the start of a key's text form, which is enough for people.
func short(n merge.NodeID) string { return crypto.PublicKey(n).Short() }

// confirm asks on a terminal before something is destroyed. Elsewhere it wants
// --yes.
func (a *app) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if f, ok := a.stdin.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return usage("this would "+question+": nobody was asked, and nothing was done", "add --yes")
	}
	fmt.Fprintf(a.stderr, "%s? [y/N] ", question)
	line, _ := bufio.NewReader(a.stdin).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}
