package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/chacha20poly1305"

	"sqlsync/merge"
)

func sealPrivate(t testing.TB, b *Batch, key *DatasetKey) *Sealed {
	t.Helper()
	s, err := SealPrivate(b, key, sign)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signedAnew has the origin sign a batch whose one section was replaced.
func signedAnew(t testing.TB, s *Sealed, section []byte, change func(*Header, *SectionHead)) *Sealed {
	t.Helper()
	h, dir, err := s.Header()
	if err != nil {
		t.Fatal(err)
	}
	dir[0].Hash = blake2b.Sum256(section)
	if change != nil {
		change(&h, &dir[0])
	}
	out := &Sealed{Head: appendHead(nil, &h, dir), Sections: [][]byte{section}}
	out.Signature = sign(out.Hash())
	return out
}

func TestPrivateBatch(t *testing.T) {
	key := DatasetKey{1, 2, 3}
	b := small()
	s := sealPrivate(t, b, &key)
	parsed, err := ParseSealed(s.Append(nil))
	if err != nil || !parsed.Private() {
		t.Fatal(parsed, err)
	}
	if err := parsed.Verify(check); err != nil {
		t.Error("whoever has no key cannot verify it:", err)
	}
	for _, word := range []string{"items", "no cells", "name", "qty", "one"} {
		if bytes.Contains(s.Append(nil), []byte(word)) {
			t.Errorf("%q is in it", word)
		}
	}
	inner, err := parsed.Reveal([]DatasetKey{key})
	if err != nil {
		t.Fatal(err)
	}
	got, err := inner.Open(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if want, err := seal(t, small()).Open(Limits{}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("it holds %+v\nwant %+v, %v", got, want, err)
	}
	if bytes.Equal(sealPrivate(t, small(), &key).Sections[0], s.Sections[0]) {
		t.Error("twice the same is told by its bytes")
	}
	if text := fmt.Sprintf("%v %x %+v", key, key, &key); strings.Contains(text, "010203") || !strings.Contains(text, "dataset key") {
		t.Errorf("printed as %s", text)
	}
}

// What was written once can be read.
func TestPrivateBatchFormat(t *testing.T) {
	key, file := DatasetKey{1, 2, 3}, "testdata/private-batch.hex"
	if *update {
		if err := os.WriteFile(file, []byte(hex.EncodeToString(sealPrivate(t, small(), &key).Append(nil))+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSealed(b)
	if err == nil {
		err = s.Verify(check)
	}
	if err != nil {
		t.Fatal(err)
	}
	inner, err := s.Reveal([]DatasetKey{key})
	if err != nil {
		t.Fatal(err)
	}
	got, err := inner.Open(Limits{})
	if want, werr := seal(t, small()).Open(Limits{}); err != nil || werr != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("it holds %+v, %v", got, err)
	}
}

func TestPrivateBatchRefused(t *testing.T) {
	key, other := DatasetKey{1}, DatasetKey{2}
	s := sealPrivate(t, small(), &key)
	elsewhere := small()
	elsewhere.Header.Seq++
	flipped := bytes.Clone(s.Sections[0])
	flipped[len(flipped)/2] ^= 1
	// of is what a member could write that does not keep to the form.
	of := func(text []byte) []byte {
		h, _, _ := s.Header()
		nonce := make([]byte, chacha20poly1305.NonceSizeX)
		return key.aead().Seal(nonce, nonce, text, bound(&h))
	}
	for name, test := range map[string]struct {
		s *Sealed
		k *DatasetKey
	}{
		"another key":         {s, &other},
		"a changed byte":      {signedAnew(t, s, flipped, nil), &key},
		"of another batch":    {signedAnew(t, s, sealPrivate(t, elsewhere, &key).Sections[0], nil), &key},
		"of another time":     {signedAnew(t, s, s.Sections[0], func(h *Header, _ *SectionHead) { h.Last++ }), &key},
		"another size":        {signedAnew(t, s, s.Sections[0], func(_ *Header, d *SectionHead) { d.Size++ }), &key},
		"other changes":       {signedAnew(t, s, s.Sections[0], func(_ *Header, d *SectionHead) { d.Changes-- }), &key},
		"cut short":           {signedAnew(t, s, s.Sections[0][:20], nil), &key},
		"without the section": {&Sealed{Head: s.Head, Signature: s.Signature, Sections: [][]byte{nil}}, &key},
		"in clear":            {seal(t, small()), &key},
		"empty":               {signedAnew(t, s, of(nil), nil), &key},
		"nothing but zeros":   {signedAnew(t, s, of(make([]byte, 40)), nil), &key},
		"private in private":  {signedAnew(t, s, of(append(appendBytes(nil, s.Head), 0)), nil), &key},
	} {
		t.Run(name, func(t *testing.T) {
			if inner, err := test.s.Reveal([]DatasetKey{*test.k, {9}}); !errors.Is(err, ErrInvalid) {
				t.Errorf("revealed %v, %v", inner, err)
			}
		})
	}
}

// A relay that changes anything of what everybody sees is found out without the
// key.
func TestPrivateBatchTamperedWith(t *testing.T) {
	key := DatasetKey{1}
	s := sealPrivate(t, small(), &key)
	for i := range len(s.Head) + len(s.Sections[0]) {
		bad := &Sealed{Head: bytes.Clone(s.Head), Signature: s.Signature, Sections: [][]byte{bytes.Clone(s.Sections[0])}}
		if i < len(s.Head) {
			bad.Head[i] ^= 1
		} else {
			bad.Sections[0][i-len(s.Head)] ^= 1
		}
		if err := bad.Verify(check); !errors.Is(err, ErrInvalid) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
}

func TestProof(t *testing.T) {
	key := DatasetKey{1}
	p := key.Proof("stock", merge.NodeID{1})
	seen := map[Proof]bool{p: true}
	other := DatasetKey{2}
	for _, q := range []Proof{key.Proof("stock", merge.NodeID{2}), key.Proof("stoc", merge.NodeID{1}), other.Proof("stock", merge.NodeID{1})} {
		if seen[q] || p.Same(&q) {
			t.Error("two proofs are the same")
		}
		seen[q] = true
	}
	if q := key.Proof("stock", merge.NodeID{1}); !p.Same(&q) || p.Same(nil) || (*Proof)(nil).Same(nil) {
		t.Error("a proof is not the same as itself, or none is one")
	}
}

// fuzzPrivate returns what a member has encrypted, and what reads such text.
func fuzzPrivate(f *testing.F) (seed []byte, try func(*testing.T, []byte)) {
	key := DatasetKey{1}
	s := sealPrivate(f, small(), &key)
	h, _, err := s.Header()
	if err != nil {
		f.Fatal(err)
	}
	nonce := s.Sections[0][:chacha20poly1305.NonceSizeX]
	text, err := key.aead().Open(nil, nonce, s.Sections[0][len(nonce):], bound(&h))
	if err != nil {
		f.Fatal(err)
	}
	return text, func(t *testing.T, text []byte) {
		section := key.aead().Seal(bytes.Clone(nonce), nonce, text, bound(&h))
		inner, err := signedAnew(t, s, section, nil).Reveal([]DatasetKey{key})
		if err != nil {
			return
		}
		if _, err := inner.Open(Limits{MaxCells: 1 << 16, MaxSection: 1 << 20}); err != nil {
			return
		}
		again := appendBytes(nil, inner.Head)
		again = append(again, byte(len(inner.Sections)))
		for _, sec := range inner.Sections {
			again = appendBytes(again, sec)
		}
		if len(inner.Sections) < 128 && !bytes.Equal(again, text) {
			t.Fatal("encoded again, the bytes differ")
		}
	}
}
