package crypto

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

var stated = Addresses{Time: time.Unix(1_800_000_000, 0).UTC(), List: []string{"office.lan:7117", "[2001:db8::1]:7117", "192.0.2.9:1"}}

func TestStatement(t *testing.T) {
	id, other := node(t, 1), node(t, 2)
	b, err := id.State(stated)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := id.PublicKey().Stated(b); !ok || !got.Time.Equal(stated.Time) || !slices.Equal(got.List, stated.List) {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := other.PublicKey().Stated(b); ok {
		t.Error("it is another's too")
	}
	for i := range b {
		for bit := range 8 {
			bad := bytes.Clone(b)
			bad[i] ^= 1 << bit
			if _, ok := id.PublicKey().Stated(bad); ok {
				t.Fatalf("byte %d, bit %d altered", i, bit)
			}
		}
	}
	for _, bad := range [][]byte{nil, b[:len(b)-1], append(bytes.Clone(b), 0)} {
		if _, ok := id.PublicKey().Stated(bad); ok {
			t.Errorf("%d bytes", len(bad))
		}
	}
	none, err := id.State(Addresses{Time: stated.Time})
	if got, ok := id.PublicKey().Stated(none); err != nil || !ok || len(got.List) > 0 {
		t.Errorf("none: %+v, %v, %v", got, ok, err)
	}
	// No signature of another kind passes for one.
	if _, ok := id.PublicKey().Stated(id.Announce(announced)); ok {
		t.Error("an announcement is a statement")
	}
}

func TestWhatCannotBeStated(t *testing.T) {
	id := node(t, 1)
	for _, addr := range []string{"", "office", "office:", ":7117", "office:0", "office:70000", "office:07", "a b:1", "a\n:1", "a\x1b[31m:1", "é:1", strings.Repeat("a", 260) + ":1"} {
		if _, err := id.State(Addresses{Time: stated.Time, List: []string{addr}}); err == nil {
			t.Errorf("%q was stated", addr)
		}
	}
	if _, err := id.State(Addresses{Time: stated.Time, List: slices.Repeat([]string{"a:1"}, MaxAddresses+1)}); err == nil {
		t.Error("too many were stated")
	}
}

func TestBlindedKeys(t *testing.T) {
	a, b := node(t, 1).PublicKey(), node(t, 2).PublicKey()
	salt, other := make([]byte, 16), bytes.Repeat([]byte{1}, 16)
	if a.Blind(salt) != a.Blind(salt) || a.Blind(salt) == b.Blind(salt) || a.Blind(salt) == a.Blind(other) {
		t.Error("tags do not tell keys and salts apart")
	}
}

func fuzzStated(f *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	id := node(f, 1)
	b, err := id.State(stated)
	if err != nil {
		f.Fatal(err)
	}
	seed(b)
	seed(make([]byte, addressesHead+64))
	return func(t *testing.T, b []byte) {
		if a, ok := id.PublicKey().Stated(b); ok {
			if again, err := id.State(a); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("%x is a statement, and made again %x, %v", b, again, err)
			}
		}
	}
}

// fuzzSignedStatement is fuzzStated of whoever has the key, which is no nearer to
// breaking it.
func fuzzSignedStatement(f *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	id := node(f, 1)
	b, err := id.State(stated)
	if err != nil {
		f.Fatal(err)
	}
	seed(b[:len(b)-64])
	try := fuzzStated(f, func([]byte) {})
	return func(t *testing.T, b []byte) {
		try(t, append(b[:len(b):len(b)], id.Sign(append([]byte(addressesDomain), b...))...))
	}
}
