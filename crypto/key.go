package crypto

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"filippo.io/edwards25519"
	"github.com/btcsuite/btcd/btcutil/bech32"
)

const (
	publicPrefix = "sqlsync"
	secretPrefix = "sqlsync-secret"

	// keyChars is what follows the prefix: separator, 32 bytes in groups of
	// 5 bits, checksum.
	keyChars = 1 + 52 + 6
)

// PublicKey is an Ed25519 public key; it is the id of a node.
type PublicKey [ed25519.PublicKeySize]byte

// ParsePublicKey reads what [PublicKey.String] prints, in lower or upper case. Any
// error is [ErrBadKey] and says what to do.
func ParsePublicKey(s string) (PublicKey, error) {
	if strings.HasPrefix(strings.ToLower(s), secretPrefix) {
		return PublicKey{}, fmt.Errorf("%w: this is the secret key, never give it to anyone: "+
			"the public key begins with %q", ErrBadKey, publicPrefix+"1")
	}
	b, err := decodeKey(publicPrefix, s)
	if err != nil {
		return PublicKey{}, err
	}
	k := PublicKey(b)
	if _, err := k.montgomery(); err != nil {
		return PublicKey{}, err
	}
	return k, nil
}

// String returns the key in bech32 (BIP 173): 66 characters, the last six a
// checksum that catches any four wrong ones.
func (k PublicKey) String() string {
	return encodeKey(publicPrefix, k)
}

// Short is the start of the text form, which is enough for people to tell keys
// apart that nobody has made to look alike.
func (k PublicKey) Short() string { return k.String()[:len("sqlsync1")+8] }

// Verify reports whether sig is the signature of message by this key's owner.
func (k PublicKey) Verify(message, sig []byte) bool {
	return ed25519.Verify(k[:], message, sig)
}

// montgomery returns the X25519 form of k. It accepts one encoding of a point, and
// only points of the prime-order group: otherwise one secret could prove several
// keys. The form drops the sign, so a key and its negative share it; they also
// share the secret.
func (k PublicKey) montgomery() ([]byte, error) {
	p, err := new(edwards25519.Point).SetBytes(k[:])
	if err != nil || !bytes.Equal(p.Bytes(), k[:]) {
		return nil, fmt.Errorf("%w: it is no point on the curve: ask for the key again", ErrBadKey)
	}
	identity := edwards25519.NewIdentityPoint()
	one, err := edwards25519.NewScalar().SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...))
	if err != nil {
		panic(err)
	}
	// [order]p, as [order-1]p + p, since a Scalar is reduced by the order.
	q := new(edwards25519.Point).ScalarMult(one.Negate(one), p)
	if p.Equal(identity) == 1 || q.Add(q, p).Equal(identity) == 0 {
		return nil, fmt.Errorf("%w: its point has a small order: ask for the key again", ErrBadKey)
	}
	return p.BytesMontgomery(), nil
}

func encodeKey(prefix string, key [32]byte) string {
	s, err := bech32.EncodeFromBase256(prefix, key[:])
	if err != nil {
		panic(err) // it refuses groups over 5 bits, which it made itself
	}
	return s
}

// decodeKey never repeats s or part of it in an error, nor the library's error,
// which holds the checksum: s may be a secret.
func decodeKey(prefix, s string) (key [32]byte, err error) {
	if want := len(prefix) + keyChars; len(s) != want {
		return key, fmt.Errorf("%w: it has %d characters, a key has %d: copy it again, in full",
			ErrBadKey, len(s), want)
	}
	got, groups, version, err := bech32.DecodeGeneric(s)
	var sum bech32.ErrInvalidChecksum
	switch {
	case errors.As(err, &sum) || err == nil && version != bech32.Version0:
		return key, fmt.Errorf("%w: its checksum does not match: check for a typing error", ErrBadKey)
	case errors.Is(err, bech32.ErrMixedCase{}):
		return key, fmt.Errorf("%w: it mixes upper and lower case: check for a typing error", ErrBadKey)
	case err != nil:
		return key, fmt.Errorf("%w: it has a character that no key has: check for a typing error", ErrBadKey)
	case got != prefix:
		return key, fmt.Errorf("%w: it does not begin with %q: this is a key of something else",
			ErrBadKey, prefix+"1")
	}
	b, err := bech32.ConvertBits(groups, 5, 8, false)
	if err != nil || len(b) != len(key) {
		return key, fmt.Errorf("%w: it does not hold 32 bytes: ask for the key again", ErrBadKey)
	}
	return [32]byte(b), nil
}
