package mesh

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
)

// knows makes a remote of an identity, without an address.
func (m *Member) knows(t *testing.T, name string) *crypto.Identity {
	t.Helper()
	id := newIdentity(t)
	if err := m.Store.AddRemote(t.Context(), cdc.Remote{Name: name, Key: merge.NodeID(id.PublicKey()), Pull: true, Push: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	return id
}

// Only a remote's announcement counts, if it is new and was made lately, and not
// too often.
func TestAnnouncementsThatCount(t *testing.T) {
	m, _ := host(t)
	friend, other := m.knows(t, "friend"), m.knows(t, "other")
	d := newDiscovery(nil, m.log)
	now := time.Unix(1_800_000_000, 0)
	d.now = func() time.Time { return now }
	d.Add(m, nil)
	from := netip.MustParseAddr("192.0.2.9")
	counts := func(id *crypto.Identity, made time.Time, port uint16) bool {
		before := len(d.seen)
		was := d.seen[merge.NodeID(id.PublicKey())]
		d.hear(id.Announce(crypto.Announcement{Time: made, Port: port}), from)
		return len(d.seen) > before || d.seen[merge.NodeID(id.PublicKey())] != was
	}
	for _, test := range []struct {
		name  string
		after time.Duration
		id    *crypto.Identity
		made  time.Duration // from now
		port  uint16
		want  bool
	}{
		{"a stranger's", 0, newIdentity(t), 0, 7117, false},
		{"its own", 0, m.Identity, 0, 7117, false},
		{"without a port", 0, friend, 0, 0, false},
		{"made long ago", 0, friend, -11 * time.Minute, 7117, false},
		{"of the future", 0, friend, 11 * time.Minute, 7117, false},
		{"good", 0, friend, 0, 7117, true},
		{"again at once", 0, friend, 0, 7117, false},
		{"another's", 0, other, -9 * time.Minute, 7117, true},
		{"too soon", 4 * time.Second, friend, 0, 7117, false},
		{"the next", time.Second, friend, 0, 7117, true},
		{"recorded and said again", 10 * time.Second, friend, -10 * time.Second, 7117, false},
		{"of a clock that was set back", time.Hour, friend, -5 * time.Minute, 7117, true},
	} {
		now = now.Add(test.after)
		if got := counts(test.id, now.Add(test.made), test.port); got != test.want {
			t.Errorf("%s: counts %v", test.name, got)
		}
	}
	d.hear([]byte("no announcement"), from)
	if len(d.seen) != 2 {
		t.Errorf("%d remembered", len(d.seen))
	}
}

// What is announced is the port of every database that is reached, and by no name.
func TestAnnounced(t *testing.T) {
	m, _ := host(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := NewPort(l, nil)
	defer p.Close()
	d := newDiscovery(nil, m.log)
	d.Add(m, nil)()
	if len(d.packets()) > 0 {
		t.Error("one that is gone is announced")
	}
	d.Add(m, nil)
	if len(d.packets()) > 0 {
		t.Error("one that is not reached is announced")
	}
	remove := d.Add(m, p)
	packets := d.packets()
	if len(packets) != 1 {
		t.Fatalf("%d announcements", len(packets))
	}
	a, ok := m.Identity.PublicKey().Announced(packets[0])
	if want := p.Addr().(*net.TCPAddr).Port; !ok || int(a.Port) != want {
		t.Errorf("announced %+v, want port %d", a, want)
	}
	remove()
	if len(d.packets()) > 0 {
		t.Error("it is still announced")
	}
	if nothing := (*Discovery)(nil); nothing.Add(m, p) == nil {
		t.Error("no Discovery is no Discovery")
	}
}
