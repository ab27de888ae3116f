package crypto

import (
	"crypto/ed25519"

	"golang.org/x/crypto/blake2b"
)

// authorDomain begins what an author's seed is derived from.
const authorDomain = "sqlsync author 1\x00"

// Author is the identity that signs the batches of a node whose database is an
// older copy, or a copy, of itself: its seed is the BLAKE2b-256 of the domain and
// the salt, under the node's own seed. It is no name of the node's, and nobody
// connects by it.
func (id *Identity) Author(salt []byte) *Identity {
	h, err := blake2b.New256(id.private.Seed())
	if err != nil {
		panic(err) // a key of 32 bytes is one
	}
	h.Write([]byte(authorDomain))
	h.Write(salt)
	return identityFromSeed([ed25519.SeedSize]byte(h.Sum(nil)))
}
