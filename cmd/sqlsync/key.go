package main

import (
	"context"

	"sqlsync/merge"
)

type keyCmd struct{}

// Run prints the public key.
func (keyCmd) Run(ctx context.Context, a *app) error {
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
