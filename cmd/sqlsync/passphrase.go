package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"

	"sqlsync/crypto"
)

// passphraseEnv holds the passphrase of key files for services, which have no
// terminal.
const passphraseEnv = "SQLSYNC_PASSPHRASE"

// unlock loads a key file, asking for its passphrase, which it returns, empty if
// there is none.
func (a *app) unlock(ctx context.Context, path string) (id *crypto.Identity, passphrase string, err error) {
	id, err = crypto.UnlockIdentity(path, func() (string, error) {
		passphrase = os.Getenv(passphraseEnv)
		if passphrase != "" {
			return passphrase, nil
		}
		if _, ok := a.terminal(); !ok {
			return "", hint(fmt.Errorf("%s has a passphrase", path), "set $%s, or run sqlsync on a terminal", passphraseEnv)
		}
		passphrase, err = a.askSecret(ctx, "passphrase of "+path)
		return passphrase, err
	})
	return id, passphrase, err
}

// newPassphrase asks for a passphrase twice, or takes that of services if it is
// not the one to be replaced.
func (a *app) newPassphrase(ctx context.Context, replaces bool) (string, error) {
	if p := os.Getenv(passphraseEnv); p != "" && !replaces {
		return p, nil
	}
	if _, ok := a.terminal(); !ok {
		if replaces {
			return "", usage("there is no terminal to ask for the new passphrase on", "sqlsync key passphrase --remove first")
		}
		return "", usage("there is no terminal to ask for a passphrase on", "set $"+passphraseEnv)
	}
	first, err := a.askSecret(ctx, "new passphrase")
	if err != nil {
		return "", err
	}
	if first == "" {
		return "", errors.New("the passphrase is empty")
	}
	second, err := a.askSecret(ctx, "the same again")
	if err == nil && first != second {
		err = hint(errors.New("the two passphrases differ"), "nothing was changed: try again")
	}
	return first, err
}

// terminal is the one that the verb was started on.
func (a *app) terminal() (fd int, ok bool) {
	f, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	return int(f.Fd()), true
}

// askSecret reads a line that is not shown. The terminal is as it was afterwards,
// also when ctx ends the wait.
func (a *app) askSecret(ctx context.Context, prompt string) (string, error) {
	fd, _ := a.terminal()
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("ask for passphrase: %w", err)
	}
	fmt.Fprintf(a.stderr, "%s: ", prompt)
	defer fmt.Fprintln(a.stderr)
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() { // ends with the process, if not before: nothing interrupts a read
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		if l.err != nil {
			return "", fmt.Errorf("ask for passphrase: %w", l.err)
		}
		return string(l.text), nil
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}
