package crypto

import (
	"bytes"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// rotated is a node that had n other keys.
func rotated(tb testing.TB, n int) (id *Identity, all []*Identity) {
	tb.Helper()
	id = node(tb, serverNode)
	all = []*Identity{id}
	for i := range n {
		var err error
		if id, err = id.Rotate(bytes.NewReader(bytes.Repeat([]byte{byte(100 + i)}, 32))); err != nil {
			tb.Fatal(err)
		}
		all = append([]*Identity{id}, all...)
	}
	return id, all
}

func TestIntroduction(t *testing.T) {
	if p := node(t, clientNode).Introduction(); p != nil {
		t.Errorf("a node with one key introduces itself: %x", p)
	}
	id, all := rotated(t, 3)
	payload := id.Introduction()
	got := Introduced(id.PublicKey(), payload)
	if want := id.Former(); len(got) != 3 || !slices.Equal(got, want) || got[2] != all[3].PublicKey() {
		t.Fatalf("introduced as %v, want %v", got, want)
	}
	for name, wrong := range map[string][]byte{
		"nothing":        nil,
		"kind alone":     payload[:1],
		"cut short":      payload[:len(payload)-1],
		"other kind":     append([]byte{payloadInvited}, payload[1:]...),
		"signature":      append(slices.Clone(payload[:len(payload)-1]), payload[len(payload)-1]^1),
		"one missing":    append([]byte{payloadSucceeds}, payload[1+succeedsLen:]...),
		"another's keys": node(t, clientNode).Introduction(),
	} {
		if got := Introduced(id.PublicKey(), wrong); got != nil {
			t.Errorf("%s: introduced as %v", name, got)
		}
	}
	if got := Introduced(node(t, clientNode).PublicKey(), payload); got != nil {
		t.Error("another node uses the introduction")
	}
	long, _ := rotated(t, maxFormer+3)
	if got := Introduced(long.PublicKey(), long.Introduction()); len(got) != maxFormer {
		t.Errorf("%d former keys", len(got))
	}
}

// A batch's signature is no succession, nor the other way round.
func TestSuccessionIsSignedForItself(t *testing.T) {
	id, _ := rotated(t, 1)
	s := id.succession(0)
	if !s.Valid() || len(successionText(s.Old, s.New)) == 32 {
		t.Error("not valid")
	}
	s.New = node(t, clientNode).PublicKey()
	if s.Valid() {
		t.Error("valid for another key")
	}
}

func TestRotatedKeyFile(t *testing.T) {
	id, _ := rotated(t, 2)
	path := filepath.Join(t.TempDir(), "node.key")
	for _, passphrase := range []string{"", "tea"} {
		if err := id.Replace(path, passphrase); err != nil {
			t.Fatal(err)
		}
		got, err := UnlockIdentity(path, say(passphrase))
		if err != nil || got.PublicKey() != id.PublicKey() || !slices.Equal(got.Former(), id.Former()) {
			t.Errorf("loaded %v with %v, %v", got, got.Former(), err)
		}
	}
}

// meet has a client come to a server by one of its keys.
func meet(t *testing.T, server *Identity, key PublicKey, admit func(PublicKey, []byte) error) (clientErr, serverErr error) {
	t.Helper()
	near, far := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { _, serverErr = Server(t.Context(), far, server, admit, Options{}) })
	_, clientErr = Client(t.Context(), near, node(t, clientNode), key, nil, Options{})
	if clientErr != nil { // the other side may wait for more
		near.Close()
	}
	wg.Wait()
	near.Close()
	far.Close()
	return clientErr, serverErr
}

func TestFormerKeysNameTheNext(t *testing.T) {
	id, all := rotated(t, 2)
	for i, old := range all[1:] {
		err, _ := meet(t, id, old.PublicKey(), admitAll)
		var moved *MovedError
		if !errors.As(err, &moved) || moved.Old != old.PublicKey() || moved.New != all[i].PublicKey() || !moved.Valid() {
			t.Errorf("former key %d: %v", i, err)
		}
	}
	if err, served := meet(t, id, id.PublicKey(), admitAll); err != nil || served != nil {
		t.Errorf("present key: %v, %v", err, served)
	}
	// Who is not admitted hears nothing of it.
	refuse := func(PublicKey, []byte) error { return errors.New("no") }
	if err, _ := meet(t, id, all[1].PublicKey(), refuse); !errors.Is(err, ErrRefused) {
		t.Errorf("a stranger at a former key: %v", err)
	}
	if err, _ := meet(t, id, node(t, clientNode).PublicKey(), admitAll); !errors.Is(err, ErrRefused) {
		t.Errorf("a key that it never had: %v", err)
	}
}

func TestMovedRecordsAreChecked(t *testing.T) {
	id, _ := rotated(t, 1)
	s := id.succession(0)
	if parseMoved(s.Old, s.moved()) == nil {
		t.Error("a good one is refused")
	}
	if parseMoved(s.New, s.moved()) != nil || parseMoved(s.Old, s.moved()[1:]) != nil || parseMoved(s.Old, make([]byte, succeedsLen)) != nil {
		t.Error("a bad one is taken")
	}
}

// fuzzIntroduced gives a server the payload of a client that has a key.
func fuzzIntroduced(f *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	id, _ := rotated(f, 2)
	seed(id.Introduction())
	seed([]byte{payloadSucceeds})
	return func(t *testing.T, payload []byte) {
		if got := Introduced(id.PublicKey(), payload); got != nil && !bytes.HasPrefix(id.Introduction(), payload) {
			t.Fatalf("introduced as %v", got)
		}
	}
}
