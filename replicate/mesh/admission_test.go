package mesh

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
)

// host is a member that listens, without a service around it.
func host(t *testing.T) (m *Member, addr string) {
	t.Helper()
	db := filepath.Join(t.TempDir(), "a.db")
	if err := cdc.CreateFile(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return hostOf(t, db)
}

// hostOf is a host of a file that is there.
func hostOf(t *testing.T, db string) (m *Member, addr string) {
	t.Helper()
	m, err := Open(t.Context(), db, Options{LockWait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := NewPort(l, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	leave := p.join(ctx, m)
	all.Go(func() { p.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		leave()
		all.Wait()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, p.Addr().String()
}

func newIdentity(t *testing.T) *crypto.Identity {
	t.Helper()
	id, err := crypto.NewIdentity(nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// heard counts what comes back over a connection.
type heard struct {
	net.Conn
	n atomic.Int64
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.n.Add(int64(n))
	return n, err
}

// knock connects and returns how many bytes it heard.
func knock(t *testing.T, id *crypto.Identity, m *Member, addr string, payload []byte) (int64, error) {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{Conn: raw}
	c, err := crypto.Client(t.Context(), h, id, m.Identity.PublicKey(), payload, crypto.Options{})
	if err == nil {
		c.Close()
	}
	return h.n.Load(), err
}

func (m *Member) invite(t *testing.T, expires time.Time) crypto.Secret {
	t.Helper()
	s := crypto.NewSecret()
	if err := m.Store.Invite(t.Context(), s.Hash(), cdc.Invitation{Expires: expires}); err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever a stranger shows, it hears the same nothing.
func TestRefusalsSayNothing(t *testing.T) {
	m, addr := host(t)
	used := m.invite(t, time.Now().Add(time.Hour))
	if _, err := knock(t, newIdentity(t), m, addr, used.Proof()); err != nil {
		t.Fatal(err)
	}
	friend := newIdentity(t)
	gone := cdc.Remote{Name: "gone", Key: merge.NodeID(friend.PublicKey()), Pull: true, Push: true, Expires: time.Now().Add(-time.Second)}
	if err := m.Store.AddRemote(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	rotated, err := newIdentity(t).Rotate(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]struct {
		id      *crypto.Identity
		payload []byte
	}{
		"nothing":             {newIdentity(t), nil},
		"a guess":             {newIdentity(t), crypto.NewSecret().Proof()},
		"a used ticket":       {newIdentity(t), used.Proof()},
		"an expired ticket":   {newIdentity(t), m.invite(t, time.Now().Add(-time.Second)).Proof()},
		"half a secret":       {newIdentity(t), used.Proof()[:9]},
		"a succession":        {rotated, rotated.Introduction()},
		"another's":           {newIdentity(t), rotated.Introduction()},
		"a forged succession": {newIdentity(t), append([]byte{2}, make([]byte, 96)...)},
		"an expired remote":   {friend, nil},
		"as much as may come": {newIdentity(t), make([]byte, crypto.MaxPayload)},
	} {
		n, err := knock(t, try.id, m, addr, try.payload)
		if !errors.Is(err, crypto.ErrRefused) || n != 50 {
			t.Errorf("%s: heard %d bytes, want the 50 of the second message; %v", name, n, err)
		}
		if m.Node.Knows(merge.NodeID(try.id.PublicKey())) {
			t.Errorf("%s: is a remote now", name)
		}
	}
	if list := m.strangers.take(); len(list) != 10 {
		t.Errorf("%d strangers, want 10", len(list))
	}
}

// Of many that show one ticket at a time, one comes in.
func TestTicketsAreUsedOnceAtATime(t *testing.T) {
	m, addr := host(t)
	secret := m.invite(t, time.Now().Add(time.Hour))
	var in atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		id := newIdentity(t)
		all.Go(func() {
			_, err := knock(t, id, m, addr, secret.Proof())
			if err == nil {
				in.Add(1)
			} else if !errors.Is(err, crypto.ErrRefused) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	list, err := m.Store.Remotes(t.Context())
	if in.Load() != 1 || err != nil || len(list) != 1 {
		t.Errorf("%d came in, remotes %+v, %v", in.Load(), list, err)
	}
}

func TestStrangersInMemoryAreBounded(t *testing.T) {
	var s strangers
	from := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5}
	for i := range 10 * cdc.MaxStrangers {
		s.note(merge.NodeID{byte(i), byte(i >> 8)}, from, time.Now())
	}
	s.note(merge.NodeID{}, from, time.Now())
	list := s.take()
	if len(list) != cdc.MaxStrangers || len(s.take()) != 0 {
		t.Errorf("%d strangers", len(list))
	}
	for _, x := range list {
		if x.Addr != "192.0.2.1" || (x.Key == merge.NodeID{}) != (x.Tries == 2) {
			t.Errorf("stranger %+v", x)
		}
	}
}
