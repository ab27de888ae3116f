package wire

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/chacha20poly1305"

	"sqlsync/merge"
)

// DatasetKey is what the members of a private dataset share: 256 random bits.
type DatasetKey [32]byte

// Format prints no key, whatever the verb.
func (k DatasetKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "dataset key") }

// Proof is what a member shows a peer, see DatasetKey.Proof.
type Proof [32]byte

// Domains keep what is made with one key for one purpose from being taken for
// another.
const (
	privateDomain = "sqlsync private batch v1\x00"
	proofDomain   = "sqlsync dataset member v1\x00"
)

// Proof shows whoever has the key that a node has it, too. Another node that
// repeats it is no member by that: connections say who speaks.
func (k *DatasetKey) Proof(dataset string, node merge.NodeID) (p Proof) {
	h, err := blake2b.New256(k[:])
	if err != nil {
		panic(err) // the key is short enough
	}
	h.Write([]byte(proofDomain))
	h.Write(node[:])
	h.Write([]byte(dataset))
	h.Sum(p[:0])
	return p
}

// Same compares without saying by its time how much is the same.
func (p *Proof) Same(q *Proof) bool { return p != nil && q != nil && hmac.Equal(p[:], q[:]) }

// SealPrivate is Seal for a private dataset. The directory and the sections are
// encrypted with the dataset's key, bound to the header; what the origin signs
// is what everybody sees, so that whoever has no key can verify the chain, hold
// it and pass it on.
func SealPrivate(b *Batch, key *DatasetKey, sign func(Hash) []byte) (*Sealed, error) {
	inner, err := Seal(b, func(Hash) []byte { return make([]byte, signatureSize) })
	if err != nil {
		return nil, err
	}
	text := appendBytes(nil, inner.Head)
	text = binary.AppendUvarint(text, uint64(len(inner.Sections)))
	for _, sec := range inner.Sections {
		text = appendBytes(text, sec)
	}
	_, dir, err := inner.Header()
	if err != nil {
		return nil, err
	}
	h := b.Header
	h.Private = true
	closed := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(text)+chacha20poly1305.Overhead)
	rand.Read(closed) // never fails; 192 random bits do not repeat
	closed = key.aead().Seal(closed, closed, text, bound(&h))
	entry := total(dir)
	entry.Hash = blake2b.Sum256(closed)
	s := &Sealed{Head: appendHead(nil, &h, []SectionHead{entry}), Sections: [][]byte{closed}}
	s.Signature = sign(s.Hash())
	if len(s.Signature) != signatureSize {
		return nil, fmt.Errorf("encode batch: signature has the wrong size")
	}
	return s, nil
}

// Private reports whether a batch is of a private dataset.
func (s *Sealed) Private() bool { return len(s.Head) > 0 && s.Head[0] == formatPrivate }

// Reveal decrypts a private batch with one of the dataset's keys, of which the last
// is tried first. The result is one to open: hash and signature are those of s. The
// error wraps ErrInvalid: whoever wrote the batch had another key, or none.
func (s *Sealed) Reveal(keys []DatasetKey) (*Sealed, error) {
	h, dir, err := s.Header()
	if err != nil {
		return nil, err
	}
	fail := func(what string) error {
		return fmt.Errorf("%w: batch %d of %v: %s", ErrInvalid, h.Seq, h.Origin, what)
	}
	if !h.Private || len(s.Sections) != 1 || len(s.Sections[0]) < chacha20poly1305.NonceSizeX {
		return nil, fail("it is no private batch, or not whole")
	}
	nonce, closed := s.Sections[0][:chacha20poly1305.NonceSizeX], s.Sections[0][chacha20poly1305.NonceSizeX:]
	var text []byte
	err = errors.New("no key")
	for i := len(keys) - 1; i >= 0 && err != nil; i-- {
		text, err = keys[i].aead().Open(nil, nonce, closed, bound(&h))
	}
	if err != nil {
		return nil, fail("it is not encrypted with a key of the dataset that is here")
	}
	inner, err := parsePrivate(text)
	if err != nil {
		return nil, fail(err.Error())
	}
	ih, idir, err := inner.Header()
	switch {
	case err != nil:
		return nil, fail(err.Error())
	case ih.Private || !sameHead(inner.Head, &ih, idir) || len(idir) != len(inner.Sections):
		return nil, fail("what it encrypts is not in its one form")
	}
	ih.Private = true
	if string(bound(&ih)) != string(bound(&h)) {
		return nil, fail("what it encrypts is another batch")
	}
	want := total(idir)
	if want.Hash = dir[0].Hash; want != dir[0] {
		return nil, fail("what it encrypts is not of the size that it says")
	}
	for i, sec := range inner.Sections {
		if blake2b.Sum256(sec) != [32]byte(idir[i].Hash) {
			return nil, fail("a section is not what its directory says")
		}
	}
	return inner, nil
}

func parsePrivate(text []byte) (*Sealed, error) {
	r := reader{b: text}
	s := &Sealed{Head: r.bytes()}
	s.Sections = make([][]byte, r.count(1, maxSections))
	for i := range s.Sections {
		s.Sections[i] = r.bytes()
	}
	return s, r.end()
}

// bound is what a private batch's encryption is bound to: the head, without the
// directory.
func bound(h *Header) []byte { return appendHead([]byte(privateDomain), h, nil) }

// total is the one entry that the directory of a private batch has, but for its
// hash.
func total(dir []SectionHead) (t SectionHead) {
	for i := range dir {
		t.Changes += dir[i].Changes
		t.Size += dir[i].Size
	}
	return t
}

func (k *DatasetKey) aead() cipher.AEAD {
	a, err := chacha20poly1305.NewX(k[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	return a
}
