package crypto

import (
	"bytes"
	"testing"
	"time"
)

var announced = Announcement{Time: time.Unix(1_800_000_000, 0).UTC(), Port: 7117}

func TestAnnouncement(t *testing.T) {
	id, other := node(t, 1), node(t, 2)
	b := id.Announce(announced)
	if got, ok := id.PublicKey().Announced(b); !ok || got != announced || len(b) != AnnouncementLen {
		t.Errorf("%+v, %v, %d bytes", got, ok, len(b))
	}
	if _, ok := other.PublicKey().Announced(b); ok {
		t.Error("it is another's too")
	}
	for i := range b {
		for bit := range 8 {
			bad := bytes.Clone(b)
			bad[i] ^= 1 << bit
			if _, ok := id.PublicKey().Announced(bad); ok {
				t.Fatalf("byte %d, bit %d altered", i, bit)
			}
		}
	}
	for _, bad := range [][]byte{nil, b[:len(b)-1], append(bytes.Clone(b), 0)} {
		if _, ok := id.PublicKey().Announced(bad); ok {
			t.Errorf("%d bytes", len(bad))
		}
	}
	// Who knows the key could make the tag, and not the signature.
	forged := id.Announce(Announcement{Time: announced.Time, Port: 1})
	copy(forged[announcementBody+announcementTag:], b[announcementBody+announcementTag:])
	if _, ok := id.PublicKey().Announced(forged); ok {
		t.Error("signed for another port")
	}
}

// Whoever does not know the key finds nothing of it.
func TestAnnouncementNamesNobody(t *testing.T) {
	id := node(t, 1)
	key := id.PublicKey()
	a, b := id.Announce(announced), id.Announce(Announcement{Time: announced.Time.Add(time.Second), Port: announced.Port})
	for n := range len(key) - 4 {
		for _, x := range [][]byte{key[n : n+4], id.static.Public[n : n+4]} {
			if bytes.Contains(a, x) {
				t.Errorf("%x of the key is in it", x)
			}
		}
	}
	if bytes.Equal(a[announcementBody:announcementBody+announcementTag], b[announcementBody:announcementBody+announcementTag]) {
		t.Error("two have the same tag")
	}
}

func fuzzAnnounced(f *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	id := node(f, 1)
	seed(id.Announce(announced))
	seed(make([]byte, AnnouncementLen))
	return func(t *testing.T, b []byte) {
		a, ok := id.PublicKey().Announced(b)
		if ok && !bytes.Equal(id.Announce(a), b) {
			t.Fatalf("%x is an announcement", b)
		}
	}
}
