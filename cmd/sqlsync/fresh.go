package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"sqlsync/cdc"
	"sqlsync/replicate/mesh"
)

// fresh reports whether neither a database nor a key is at a path.
func fresh(path string) bool {
	for _, f := range []string{path, mesh.KeyPath(path)} {
		if _, err := os.Lstat(f); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// discard takes away a database that was made for rows of which none came, and
// the key that nobody has been told.
func discard(ctx context.Context, path string) error {
	if n, err := cdc.CountTables(context.WithoutCancel(ctx), path); err != nil || n > 0 || mesh.Served(path) {
		return nil // it was not made, or is somebody's
	}
	for _, f := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	_, err := removeBeside(path, false)
	return err
}
