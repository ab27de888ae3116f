package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
)

type keyRotateCmd struct {
	Yes bool `help:"Do not ask."`
}

// nextKeyPath is where a new key file waits until the database has its key.
func nextKeyPath(db string) string { return keyPath(db) + ".next" }

// Run gives the database a new key. The new key file is on disk before the
// database names its key, and the old one stays until it does; whatever is
// interrupted between, settleRotation ends.
func (c *keyRotateCmd) Run(ctx context.Context, a *app) error {
	db, err := a.path()
	if err != nil {
		return err
	}
	if err := a.confirm(c.Yes, "give "+db+" a new key"); err != nil {
		return err
	}
	if err := settleRotation(ctx, db); err != nil {
		return explain(db, err)
	}
	if _, err := crypto.Protected(keyPath(db)); err != nil {
		return explainKey(db, err) // before there is a lock file
	}
	lock := flock.New(db + "-sqlsync.lock")
	if ok, err := lock.TryLock(); err != nil {
		return fmt.Errorf("lock %s: %w", db, err)
	} else if !ok {
		return hint(errors.New(db+" is being served"), "stop sqlsync serve first, and start it again afterwards")
	}
	defer lock.Unlock()
	id, passphrase, err := a.unlockWith(ctx, keyPath(db))
	if err != nil {
		return explainKey(db, err)
	}
	a.unlocked = id
	next, err := id.Rotate(nil)
	if err != nil {
		return err
	}
	if err := rotate(ctx, a, db, next, passphrase); err != nil {
		return err
	}
	a.say("peers that know the old key follow when they next connect")
	return a.printKey(merge.NodeID(next.PublicKey()))
}

func rotate(ctx context.Context, a *app, db string, next *crypto.Identity, passphrase string) error {
	store, _, err := a.openPath(ctx, db, lockWait)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := next.Replace(nextKeyPath(db), passphrase); err != nil {
		return err
	}
	if err := store.Rotate(ctx, merge.NodeID(next.PublicKey())); err != nil {
		return explain(db, err) // whether it was committed, settleRotation finds out
	}
	if err := next.Replace(keyPath(db), passphrase); err != nil {
		return err
	}
	return os.Remove(nextKeyPath(db))
}

// settleRotation ends a rotation that was interrupted: the new key file stays if
// the database has its key. It leaves alone one that is under way, or a database
// that is served, whose serve has settled it.
func settleRotation(ctx context.Context, db string) error {
	path := nextKeyPath(db)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock := flock.New(db + "-sqlsync.lock")
	if ok, err := lock.TryLock(); err != nil || !ok {
		return err
	}
	defer lock.Unlock()
	owner, err := cdc.KeyOf(ctx, db)
	if err != nil {
		return err
	}
	if next, err := crypto.KeyOfFile(path); err == nil && owner == merge.NodeID(next) {
		return os.Rename(path, keyPath(db))
	}
	return os.Remove(path)
}

// errMoved says that a remote goes on with another key, which is known now.
var errMoved = errors.New("the remote has a new key")

// introduced returns the key by which a peer is known here that has none of its
// own here.
func (m *member) introduced(peer crypto.PublicKey, payload []byte) (old merge.NodeID, ok bool) {
	if m.node.Knows(merge.NodeID(peer)) {
		return old, false
	}
	for _, k := range crypto.Introduced(peer, payload) {
		if old = merge.NodeID(k); m.node.Knows(old) {
			return old, true
		}
	}
	return old, false
}

// movedPause keeps a remote that always names another key from making us write
// all the time.
const movedPause = 250 * time.Millisecond

// moved follows a remote that was reached by a key that it has left.
func (m *member) moved(ctx context.Context, e *crypto.MovedError) error {
	select {
	case <-time.After(movedPause):
	case <-ctx.Done():
		return ctx.Err()
	}
	// Its session, and with it ctx, ends when the remote has another key.
	ctx = context.WithoutCancel(ctx)
	if err := m.follow(ctx, merge.NodeID(e.Old), merge.NodeID(e.New)); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", errMoved, e.New)
}

// follow gives a remote the key that its present one has signed.
func (m *member) follow(ctx context.Context, old, next merge.NodeID) error {
	ctx, cancel := context.WithTimeout(ctx, redeemWithin)
	defer cancel()
	if err := m.store.Succeed(ctx, old, next); err != nil {
		return err
	}
	m.log.Warn("a remote has a new key, signed by the old one", "old", nodeKey(old), "new", nodeKey(next))
	_, err := m.readRemotes(ctx)
	return err
}
