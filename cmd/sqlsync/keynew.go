package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
)

type keyNewCmd struct {
	Yes bool `help:"Do not ask."`
}

// Run gives the database a key that no other signs for. As in keyRotateCmd, the
// new key file is there before the database names its key.
func (c *keyNewCmd) Run(ctx context.Context, a *app) error {
	db, err := a.path()
	if err != nil {
		return err
	}
	switch is, err := a.isNode(ctx); {
	case err != nil:
		return err
	case !is:
		return hint(fmt.Errorf("%s is no node yet", db), "sqlsync init --db %s makes it one", db)
	}
	if err := a.confirm(c.Yes, "make "+db+" another node, which peers do not know"); err != nil {
		return err
	}
	if err := settleRotation(ctx, db); err != nil {
		return explain(db, err)
	}
	l, err := takeLock(db)
	if err != nil {
		return explainLock(db, err)
	}
	defer l.release()
	id, err := crypto.NewIdentity(nil)
	if err != nil {
		return err
	}
	if err := id.Replace(nextKeyPath(db), ""); err != nil {
		return err
	}
	if err := cdc.Reidentify(ctx, db, merge.NodeID(id.PublicKey())); err != nil {
		return errors.Join(explain(db, err), os.Remove(nextKeyPath(db)))
	}
	if err := id.Replace(keyPath(db), ""); err != nil {
		return err
	}
	if err := os.Remove(nextKeyPath(db)); err != nil {
		return err
	}
	a.say("add this key on the peers: sqlsync remote add NAME KEY; the remotes here stay")
	return a.printKey(merge.NodeID(id.PublicKey()))
}
