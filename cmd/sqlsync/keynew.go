package main

import (
	"context"
	"fmt"

	"sqlsync/merge"
	"sqlsync/replicate/mesh"
)

type keyNewCmd struct {
	Yes bool `help:"Do not ask."`
}

// Run gives the database a key that no other signs for.
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
	key, err := mesh.Reidentify(ctx, db)
	if err != nil {
		return explain(db, err)
	}
	a.say("add this key on the peers: sqlsync remote add NAME KEY; the remotes here stay")
	return a.printKey(merge.NodeID(key))
}
