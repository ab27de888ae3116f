package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"sqlsync/cdc"
	"sqlsync/replicate/mesh"
)

type uninstallCmd struct {
	Yes     bool `help:"Do not ask."`
	KeepKey bool `help:"Keep the key file, so that the database can be the same node again."`
}

// Run removes every trace.
func (c *uninstallCmd) Run(ctx context.Context, a *app) error {
	path, err := a.path()
	if err != nil {
		return err
	}
	if err := a.confirm(c.Yes, "remove sqlsync from "+path); err != nil {
		return err
	}
	if mesh.Served(path) {
		return hint(errors.New(path+" is being served"), "stop sqlsync serve first")
	}
	peers, err := a.remotes(ctx)
	if err != nil {
		peers = nil // uninstall needs nothing of ours to be intact
	}
	found, err := cdc.Uninstall(ctx, path)
	if err != nil {
		return explain(path, err)
	}
	removed, err := removeBeside(path, c.KeepKey)
	if err != nil {
		return err
	}
	if !found && !removed {
		a.tell("there was nothing of sqlsync's in %s or beside it", path)
		return nil
	}
	a.tell("removed sqlsync from %s; its tables and rows stay", path)
	if len(peers) > 0 {
		names := make([]string, len(peers))
		for i, r := range peers {
			names[i] = r.Name
		}
		a.tell("still listed as a remote by %s: sqlsync remote list there shows it, sqlsync remote remove NAME --yes takes it off", listed(names))
	}
	return nil
}

// removeBeside removes sqlsync's files beside a database, and reports whether
// there were any.
func removeBeside(path string, keepKey bool) (found bool, err error) {
	files := []string{mesh.LockPath(path), mesh.WitnessPath(path)}
	if !keepKey {
		files = append(files, mesh.KeyPath(path), mesh.NextKeyPath(path), mesh.DatasetKeysPath(path))
	}
	for _, f := range files {
		err := os.Remove(f)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return found, err
		}
		found = found || err == nil
	}
	return found, nil
}
