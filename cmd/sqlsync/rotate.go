package main

import (
	"context"
	"errors"

	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/replicate/mesh"
)

type keyRotateCmd struct {
	Yes bool `help:"Do not ask."`
}

// Run gives the database a new key.
func (c *keyRotateCmd) Run(ctx context.Context, a *app) error {
	db, err := a.path()
	if err != nil {
		return err
	}
	if err := a.confirm(c.Yes, "give "+db+" a new key"); err != nil {
		return err
	}
	if _, err := crypto.Protected(mesh.KeyPath(db)); err != nil {
		return explainKey(db, err)
	}
	var locked error
	next, err := mesh.Rotate(ctx, db, a.meshOptions(ctx, db, lockWait), func(keyFile string) (*crypto.Identity, string, error) {
		id, passphrase, err := a.unlock(ctx, keyFile)
		locked = explainKey(db, err)
		return id, passphrase, err
	})
	switch {
	case locked != nil:
		return locked
	case errors.Is(err, mesh.ErrServed):
		return hint(errors.New(db+" is being served"), "stop sqlsync serve first, and start it again afterwards")
	case err != nil:
		return explain(db, err)
	}
	a.say("peers that know the old key follow when they next connect")
	return a.printKey(merge.NodeID(next))
}
