package crypto

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
)

// maxFormer is how many former keys an identity keeps: peers that were away for
// more rotations than this have to be told the new key.
const maxFormer = 8

// successionDomain begins what a key signs to name its successor; batches are
// signed as 32 bytes, so neither can be taken for the other.
const successionDomain = "sqlsync successor 1\x00"

// Succession says that the owner of one key goes on with another. The old key
// signs it, so whoever has the old secret can make one.
type Succession struct {
	Old, New  PublicKey
	Signature [ed25519.SignatureSize]byte
}

func successionText(old, next PublicKey) []byte {
	return append(append([]byte(successionDomain), old[:]...), next[:]...)
}

// Valid reports whether the old key has signed it.
func (s *Succession) Valid() bool {
	return s.Old != s.New && s.Old.Verify(successionText(s.Old, s.New), s.Signature[:])
}

// MovedError is returned by [Client] when the peer proved its key and goes on
// with another; the Succession is valid.
type MovedError struct{ Succession }

func (e *MovedError) Error() string {
	return fmt.Sprintf("the peer has a new key: %s", e.New)
}

// errMoved is Server's error for a client who came to a former key and was told.
var errMoved = errors.New("it was told this node's new key")

// Rotate returns a new identity, of 32 bytes from random, that keeps the secrets
// of this one and those before it: with them it can still be reached by peers who
// know an earlier key, and tell them.
func (id *Identity) Rotate(random io.Reader) (*Identity, error) {
	next, err := NewIdentity(random)
	if err != nil {
		return nil, err
	}
	next.former = append([]*Identity{{private: id.private, public: id.public, static: id.static}}, id.former...)
	next.former = next.former[:min(len(next.former), maxFormer)]
	return next, nil
}

// Former returns the keys that this node had before, the latest first.
func (id *Identity) Former() []PublicKey {
	var list []PublicKey
	for _, f := range id.former {
		list = append(list, f.public)
	}
	return list
}

// succession is the one by which the former key i was left.
func (id *Identity) succession(i int) Succession {
	next := id.public
	if i > 0 {
		next = id.former[i-1].public
	}
	s := Succession{Old: id.former[i].public, New: next}
	copy(s.Signature[:], id.former[i].Sign(successionText(s.Old, s.New)))
	return s
}

// payloadSucceeds begins the payload of a client that had other keys: for each,
// the latest first, the old key and its signature.
const (
	payloadSucceeds = 2
	succeedsLen     = ed25519.PublicKeySize + ed25519.SignatureSize
)

// Introduction is the payload for [Client] by which peers know a node that had
// other keys; nil if it had none.
func (id *Identity) Introduction() []byte {
	if len(id.former) == 0 {
		return nil
	}
	b := []byte{payloadSucceeds}
	for i := range id.former {
		s := id.succession(i)
		b = append(append(b, s.Old[:]...), s.Signature[:]...)
	}
	return b
}

// Introduced returns the keys that a client with this key and payload had before,
// the latest first: nil unless every signature is right.
func Introduced(peer PublicKey, payload []byte) []PublicKey {
	if len(payload) < 1+succeedsLen || payload[0] != payloadSucceeds ||
		(len(payload)-1)%succeedsLen != 0 || len(payload) > 1+maxFormer*succeedsLen {
		return nil
	}
	var list []PublicKey
	next := peer
	for b := payload[1:]; len(b) > 0; b = b[succeedsLen:] {
		s := Succession{Old: PublicKey(b[:32]), New: next, Signature: [64]byte(b[32:succeedsLen])}
		if _, err := s.Old.montgomery(); err != nil || !s.Valid() {
			return nil
		}
		list, next = append(list, s.Old), s.Old
	}
	return list
}

// moved is the data of the record by which a server that was reached by a former
// key names the next: the key and the former one's signature.
func (s *Succession) moved() []byte { return append(s.New[:len(s.New):len(s.New)], s.Signature[:]...) }

// parseMoved is nil unless peer has signed it.
func parseMoved(peer PublicKey, data []byte) *MovedError {
	if len(data) != succeedsLen {
		return nil
	}
	e := &MovedError{Succession{Old: peer, New: PublicKey(data[:32]), Signature: [64]byte(data[32:])}}
	if _, err := e.New.montgomery(); err != nil || !e.Valid() {
		return nil
	}
	return e
}
