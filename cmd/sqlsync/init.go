package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/replicate/mesh"
)

type initCmd struct {
	Passphrase bool `help:"Encrypt the key file with a passphrase, asked for on the terminal or taken from $$SQLSYNC_PASSPHRASE."`
}

// Run makes the database a node, and the file itself where there is none.
func (c *initCmd) Run(ctx context.Context, a *app) error {
	path, err := a.path()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := cdc.CreateFile(ctx, path); err != nil {
			return hint(fmt.Errorf("create %s: %w", path, err), "check that the folder exists and can be written to")
		}
	}
	if c.Passphrase {
		if err := a.makeProtected(ctx, path); err != nil {
			return err
		}
	}
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	return a.printKey(store.Node())
}

// makeProtected makes the identity of a database that has none yet.
func (a *app) makeProtected(ctx context.Context, db string) error {
	if _, err := os.Lstat(mesh.KeyPath(db)); err == nil {
		return hint(fmt.Errorf("%s is there already", mesh.KeyPath(db)), "sqlsync key passphrase gives it a passphrase")
	}
	if err := mesh.NeverNode(ctx, db); err != nil {
		return explain(db, err)
	}
	passphrase, err := a.newPassphrase(ctx, false)
	if err != nil {
		return err
	}
	id, err := crypto.NewIdentity(nil)
	if err != nil {
		return err
	}
	a.unlocked = id
	return id.SaveProtected(mesh.KeyPath(db), passphrase)
}
