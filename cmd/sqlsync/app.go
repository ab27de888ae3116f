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
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/migrations"
	"sqlsync/wire"
)

// app is what a verb works with.
type app struct {
	*grammar
	stdin          io.Reader
	stdout, stderr io.Writer
	// observe returns what a database that is opened tells its work to, nil
	// mostly.
	observe func(path string) func(cdc.Work)
	// unlocked is the identity that a verb about keys has at hand, so that
	// nobody is asked for its passphrase again.
	unlocked *crypto.Identity
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

func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.stdout, format, args...) }

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
		return a.DB[0], nil
	}
	return "", usage("more than one --db", "only serve takes several")
}

// identity loads the identity of a database, making one where there is none
// and the database has never been a node.
func (a *app) identity(ctx context.Context, db string) (*crypto.Identity, error) {
	if a.unlocked != nil {
		return a.unlocked, nil
	}
	if err := settleRotation(ctx, db); err != nil {
		return nil, err
	}
	id, err := a.unlock(ctx, keyPath(db))
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if err := neverNode(ctx, db); err != nil {
		return nil, err
	}
	if id, err = crypto.NewIdentity(nil); err != nil {
		return nil, err
	}
	if err := id.Save(keyPath(db)); errors.Is(err, fs.ErrExist) {
		return a.unlock(ctx, keyPath(db)) // another process was faster
	} else if err != nil {
		return nil, err
	}
	return id, nil
}

// neverNode is an error for a database whose key file is missing.
func neverNode(ctx context.Context, db string) error {
	was, err := cdc.IsNode(ctx, db)
	if err == nil && was {
		err = hint(fmt.Errorf("the key file of %s is missing: %s", db, keyPath(db)),
			"put the key file back beside the database; for a copy, or where the key is lost: sqlsync --db %s key new --yes", db)
	}
	return err
}

// open opens the database that the verb is about, making it a node.
func (a *app) open(ctx context.Context) (*cdc.Store, error) {
	path, err := a.path()
	if err != nil {
		return nil, err
	}
	store, _, err := a.openPath(ctx, path, lockWait)
	return store, err
}

func (a *app) openPath(ctx context.Context, path string, wait time.Duration) (*cdc.Store, *crypto.Identity, error) {
	if err := cdc.Probe(ctx, path); err != nil {
		return nil, nil, explain(path, err)
	}
	id, err := a.identity(ctx, path)
	if err != nil {
		return nil, nil, explain(path, err)
	}
	var observe func(cdc.Work)
	if a.observe != nil {
		observe = a.observe(path)
	}
	store, err := cdc.Open(ctx, cdc.Options{
		Path: path, Node: merge.NodeID(id.PublicKey()), LockWait: wait, Log: a.logger(), Observe: observe,
		Sign:   func(h wire.Hash) []byte { return id.Sign(h[:]) },
		Former: formerKeys(id), Witness: witnessPath(path),
		Author: func(salt []byte) cdc.Author {
			other := id.Author(salt)
			return cdc.Author{Node: merge.NodeID(other.PublicKey()), Sign: func(h wire.Hash) []byte { return other.Sign(h[:]) }}
		},
		Verify: func(origin merge.NodeID, h wire.Hash, sig []byte) bool {
			return crypto.PublicKey(origin).Verify(h[:], sig)
		},
	})
	if err != nil {
		return nil, nil, explain(path, err)
	}
	return store, id, nil
}

func formerKeys(id *crypto.Identity) (list []merge.NodeID) {
	for _, key := range id.Former() {
		list = append(list, merge.NodeID(key))
	}
	return list
}

// explain adds what to do to the errors that opening a database ends with.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return hint(fmt.Errorf("no database at %s", path), "check --db; sqlsync init --db %s makes a new one", path)
	case errors.Is(err, cdc.ErrNotDatabase):
		return hint(fmt.Errorf("%s is not a SQLite database", path), "check --db")
	case errors.Is(err, cdc.ErrReadOnly), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return hint(fmt.Errorf("%s is read-only", path), "sqlsync needs to write to the database and its folder: check their owner and permissions")
	case errors.Is(err, cdc.ErrPruned):
		return hint(err, "begin anew without --cursor: sqlsync log shows what is kept, and the tables themselves hold the rest")
	case errors.Is(err, cdc.ErrLocked):
		return hint(fmt.Errorf("%s is locked by another program", path), "end the program's transaction or its exclusive lock, then try again")
	case errors.Is(err, cdc.ErrIdentity):
		return hint(err, "put back the key file that belongs to it, or make the copy a node of its own: sqlsync --db %s key new --yes", path)
	case errors.Is(err, migrations.ErrNewer):
		return hint(err, "upgrade this sqlsync")
	}
	return explainKey(path, err)
}

// explainKey does so for the errors of reading its key file.
func explainKey(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return hint(fmt.Errorf("no key file at %s", keyPath(path)), "sqlsync init --db %s makes a node of a database", path)
	case errors.Is(err, crypto.ErrKeyPermissions):
		return hint(err, "chmod 600 %s", keyPath(path))
	case errors.Is(err, crypto.ErrPassphrase):
		return hint(err, "try again, and check $%s; without the passphrase this identity is lost", passphraseEnv)
	}
	return err
}

// nodeKey is the text form of a node's key.
func nodeKey(n merge.NodeID) string { return crypto.PublicKey(n).String() }

// short is the start of a key's text form, which is enough for people.
func short(n merge.NodeID) string { return nodeKey(n)[:len("sqlsync1")+8] }

// confirm asks on a terminal before something is destroyed. Elsewhere it wants
// --yes.
func (a *app) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if f, ok := a.stdin.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return usage(question+" was not confirmed", "add --yes")
	}
	fmt.Fprintf(a.stderr, "%s? [y/N] ", question)
	line, _ := bufio.NewReader(a.stdin).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}
