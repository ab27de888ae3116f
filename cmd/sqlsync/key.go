package main

import (
	"context"
	"fmt"

	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/replicate/mesh"
)

type keyCmd struct {
	Show       keyShowCmd       `cmd:"" default:"1" help:"Print this node's public key."`
	Rotate     keyRotateCmd     `cmd:"" help:"Go on with a new key; peers that know the present one follow."`
	New        keyNewCmd        `cmd:"" help:"Make this database a node of its own: a copy, or one whose key file is lost."`
	Passphrase keyPassphraseCmd `cmd:"" help:"Give the key file a passphrase, another one, or none."`
}

type keyShowCmd struct{}

// Run prints the public key.
func (keyShowCmd) Run(ctx context.Context, a *app) error {
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	return a.printKey(store.Node())
}

func (a *app) printKey(n merge.NodeID) error {
	if a.JSON {
		return a.printJSON(map[string]string{"key": nodeKey(n)})
	}
	a.printf("%s\n", nodeKey(n))
	return nil
}

type keyPassphraseCmd struct {
	Remove bool `help:"Keep the key file without a passphrase."`
}

// Run changes what the key file is encrypted with. The key stays; a running serve
// is not affected.
func (c *keyPassphraseCmd) Run(ctx context.Context, a *app) error {
	db, err := a.path()
	if err != nil {
		return err
	}
	path := mesh.KeyPath(db)
	has, err := crypto.Protected(path)
	if err != nil {
		return explainKey(db, err)
	}
	if c.Remove && !has {
		return hint(fmt.Errorf("%s has no passphrase", path), "sqlsync key passphrase gives it one")
	}
	id, _, err := a.unlock(ctx, path)
	if err != nil {
		return explainKey(db, err)
	}
	var next string
	if !c.Remove {
		if next, err = a.newPassphrase(ctx, has); err != nil {
			return err
		}
	}
	if err := id.Replace(path, next); err != nil {
		return err
	}
	if c.Remove {
		a.say("%s has no passphrase any more", path)
	} else {
		a.say("%s has a passphrase now; services take it from $%s", path, passphraseEnv)
	}
	return nil
}
