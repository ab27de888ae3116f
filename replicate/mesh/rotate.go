package mesh

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

// NextKeyPath is where a new key file waits until the database has its key.
func NextKeyPath(db string) string { return KeyPath(db) + ".next" }

// Rotate gives a database a new key, which it returns, and which the old one
// has signed: peers that know the old key follow. Nobody may serve the database
// meanwhile. unlock returns the present identity and its file's passphrase, ""
// for none. The new key file is on disk before the database names its key, and
// the old one stays until it does; whatever is interrupted between, the next
// Open ends.
func Rotate(ctx context.Context, path string, o Options, unlock func(keyFile string) (*crypto.Identity, string, error)) (crypto.PublicKey, error) {
	var none crypto.PublicKey
	if err := settleRotation(ctx, path); err != nil {
		return none, err
	}
	if _, err := crypto.Protected(KeyPath(path)); err != nil {
		return none, err // before there is a lock file
	}
	l, err := takeLock(path)
	if err != nil {
		return none, err
	}
	defer l.release()
	id, passphrase, err := unlock(KeyPath(path))
	if err != nil {
		return none, err
	}
	next, err := id.Rotate(nil)
	if err != nil {
		return none, err
	}
	o.Unlock = func(string) (*crypto.Identity, error) { return id, nil }
	return next.PublicKey(), rotate(ctx, path, o, next, passphrase)
}

func rotate(ctx context.Context, path string, o Options, next *crypto.Identity, passphrase string) error {
	store, _, err := OpenStore(ctx, path, o)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := next.Replace(NextKeyPath(path), passphrase); err != nil {
		return err
	}
	if err := store.Rotate(ctx, merge.NodeID(next.PublicKey())); err != nil {
		return err // whether it was committed, settleRotation finds out
	}
	if err := next.Replace(KeyPath(path), passphrase); err != nil {
		return err
	}
	return os.Remove(NextKeyPath(path))
}

// Reidentify makes a database another node, whose key it returns: a copy, or one
// whose key file is lost. Nobody has signed for the key, so peers have to add it.
// As for Rotate, nobody may serve the database meanwhile.
func Reidentify(ctx context.Context, path string) (crypto.PublicKey, error) {
	var none crypto.PublicKey
	if err := settleRotation(ctx, path); err != nil {
		return none, err
	}
	l, err := takeLock(path)
	if err != nil {
		return none, err
	}
	defer l.release()
	id, err := crypto.NewIdentity(nil)
	if err != nil {
		return none, err
	}
	if err := id.Replace(NextKeyPath(path), ""); err != nil {
		return none, err
	}
	if err := cdc.Reidentify(ctx, path, merge.NodeID(id.PublicKey())); err != nil {
		return none, errors.Join(err, os.Remove(NextKeyPath(path)))
	}
	if err := id.Replace(KeyPath(path), ""); err != nil {
		return none, err
	}
	return id.PublicKey(), os.Remove(NextKeyPath(path))
}

// settleRotation ends a rotation that was interrupted: the new key file stays if
// the database has its key. It leaves alone one that is under way, or a database
// that is served, whose serve has settled it.
func settleRotation(ctx context.Context, db string) error {
	path := NextKeyPath(db)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock := flock.New(LockPath(db))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return err
	}
	defer lock.Unlock()
	owner, err := cdc.KeyOf(ctx, db)
	if err != nil {
		return err
	}
	if next, err := crypto.KeyOfFile(path); err == nil && owner == merge.NodeID(next) {
		return os.Rename(path, KeyPath(db))
	}
	return os.Remove(path)
}

// ErrMoved says that a remote goes on with another key, which is known now: try
// again.
var ErrMoved = errors.New("the remote has a new key")

// introduced returns the key by which a peer is known here that has none of its
// own here.
func (m *Member) introduced(peer crypto.PublicKey, payload []byte) (old merge.NodeID, ok bool) {
	if m.Node.Knows(merge.NodeID(peer)) {
		return old, false
	}
	for _, k := range crypto.Introduced(peer, payload) {
		if old = merge.NodeID(k); m.Node.Knows(old) {
			return old, true
		}
	}
	return old, false
}

// movedPause keeps a remote that always names another key from making us write
// all the time.
const movedPause = 250 * time.Millisecond

// moved follows a remote that was reached by a key that it has left.
func (m *Member) moved(ctx context.Context, e *crypto.MovedError) error {
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
	return fmt.Errorf("%w: %s", ErrMoved, e.New)
}

// follow gives a remote the key that its present one has signed.
func (m *Member) follow(ctx context.Context, old, next merge.NodeID) error {
	ctx, cancel := context.WithTimeout(ctx, redeemWithin)
	defer cancel()
	if err := m.Store.Succeed(ctx, old, next); err != nil {
		return err
	}
	m.log.Warn("a remote has a new key, signed by the old one", "old", crypto.PublicKey(old).String(), "new", crypto.PublicKey(next).String())
	_, err := m.Reload(ctx)
	return err
}
