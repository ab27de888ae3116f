package crypto

import (
	"crypto/cipher"
	"encoding/binary"

	"github.com/flynn/noise"
	"golang.org/x/crypto/chacha20poly1305"
)

// xchachaPoly is XChaCha20-Poly1305 as a Noise cipher function.
type xchachaPoly struct{}

func (xchachaPoly) CipherName() string { return "XChaChaPoly" }

func (xchachaPoly) Cipher(k [32]byte) noise.Cipher {
	aead, err := chacha20poly1305.NewX(k[:])
	if err != nil {
		panic(err) // it refuses other lengths of key, and FIPS-only builds
	}
	return &xcipher{aead: aead}
}

// xcipher keeps its nonce, or every record would allocate one; so one goroutine at
// a time. The first 16 bytes stay zero, the rest is n.
type xcipher struct {
	aead  cipher.AEAD
	nonce [chacha20poly1305.NonceSizeX]byte
}

func (c *xcipher) Encrypt(out []byte, n uint64, ad, plaintext []byte) []byte {
	binary.LittleEndian.PutUint64(c.nonce[16:], n)
	return c.aead.Seal(out, c.nonce[:], plaintext, ad)
}

func (c *xcipher) Decrypt(out []byte, n uint64, ad, ciphertext []byte) ([]byte, error) {
	binary.LittleEndian.PutUint64(c.nonce[16:], n)
	return c.aead.Open(out, c.nonce[:], ciphertext, ad)
}
