package mesh

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
)

func newFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	if err := cdc.CreateFile(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// One serves at a time, by whichever way it was opened; others still look.
func TestOneServes(t *testing.T) {
	path := newFile(t)
	m, err := Open(t.Context(), path, Options{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{Exclusive: true}); !errors.Is(err, ErrServed) || !Served(path) {
		t.Errorf("a second one: %v", err)
	}
	second, err := Open(t.Context(), path, Options{LockWait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Serve(t.Context(), ServeOptions{}); !errors.Is(err, ErrServed) {
		t.Errorf("Serve beside another = %v", err)
	}
	if _, err := Rotate(t.Context(), path, Options{}, nil); !errors.Is(err, ErrServed) {
		t.Errorf("Rotate beside another = %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := second.Begin(ctx, ServeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v", err)
	}
	if err := second.Close(); err != nil || Served(path) {
		t.Errorf("Close = %v, served %v", err, Served(path))
	}
}

// Who has a lock and is just ending does not keep the next one from serving.
func TestServesAfterOneThatIsEnding(t *testing.T) {
	path := newFile(t)
	m, err := Open(t.Context(), path, Options{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- m.Close() }()
	next, err := Open(t.Context(), path, Options{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-ended, next.Close()); err != nil {
		t.Error(err)
	}
}

// Whoever looks whether a database is served never keeps it from being served,
// however slowly it looks.
func TestLookingIsNotServing(t *testing.T) {
	path := newFile(t)
	probe := newLock(LockPath(path))
	if ok, err := probe.TryRLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	taken := make(chan error, 1)
	var l lock
	go func() {
		var err error
		l, err = takeLock(path)
		taken <- err
	}()
	select {
	case err := <-taken:
		t.Fatalf("taken beside a probe: %v", err)
	case <-time.After(3 * lockPatience):
	}
	probe.Unlock()
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	defer l.release()
	if _, err := takeLock(path); !errors.Is(err, ErrServed) {
		t.Errorf("a second one: %v", err)
	}
}

// A node whose key file is gone is not made another node.
func TestMissingKey(t *testing.T) {
	path := newFile(t)
	m, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(KeyPath(path)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrKeyMissing) {
		t.Errorf("Open = %v", err)
	}
}

func TestRotate(t *testing.T) {
	path := newFile(t)
	m, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	old := m.Identity.PublicKey()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := Rotate(t.Context(), path, Options{}, func(file string) (*crypto.Identity, string, error) {
		id, err := crypto.LoadIdentity(file)
		return id, "", err
	})
	if err != nil || next == old {
		t.Fatalf("Rotate = %v, %v", next, err)
	}
	if m, err = Open(t.Context(), path, Options{}); err != nil || m.Store.Node() != merge.NodeID(next) {
		t.Fatalf("after Rotate: %v", err)
	}
	if _, err := m.Clone(t.Context(), "nobody"); !errors.Is(err, cdc.ErrNoRemote) {
		t.Errorf("Clone of nobody = %v", err)
	}
	if err := m.AddRemote(t.Context(), "me", "no key"); !errors.Is(err, crypto.ErrBadKey) {
		t.Errorf("AddRemote = %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}
