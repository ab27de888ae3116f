package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sqlsync/cdc"
)

type initCmd struct{}

// Run makes the database a node, and the file itself where there is none.
func (initCmd) Run(ctx context.Context, a *app) error {
	path, err := a.path()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := cdc.CreateFile(ctx, path); err != nil {
			return hint(fmt.Errorf("create %s: %w", path, err), "check that the folder exists and can be written to")
		}
	}
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	return a.printKey(store.Node())
}
