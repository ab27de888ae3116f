package mesh

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"sqlsync/cdc"
	"sqlsync/crypto"
)

// ErrKeyMissing says that a database is a node whose key file is not there.
var ErrKeyMissing = errors.New("the key file is missing")

// identity loads the identity of a database, making one where there is none
// and the database has never been a node.
func identity(ctx context.Context, db string, unlock func(string) (*crypto.Identity, error)) (*crypto.Identity, error) {
	if unlock == nil {
		unlock = crypto.LoadIdentity
	}
	if err := settleRotation(ctx, db); err != nil {
		return nil, err
	}
	id, err := unlock(KeyPath(db))
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if err := NeverNode(ctx, db); err != nil {
		return nil, err
	}
	if id, err = crypto.NewIdentity(nil); err != nil {
		return nil, err
	}
	if err := id.Save(KeyPath(db)); errors.Is(err, fs.ErrExist) {
		return unlock(KeyPath(db)) // another process was faster
	} else if err != nil {
		return nil, err
	}
	return id, nil
}

// NeverNode is ErrKeyMissing for a database that is a node: another key would
// make another node of it.
func NeverNode(ctx context.Context, db string) error {
	was, err := cdc.IsNode(ctx, db)
	if err == nil && was {
		err = fmt.Errorf("%w: %s", ErrKeyMissing, KeyPath(db))
	}
	return err
}
