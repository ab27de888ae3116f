package crypto

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"fmt"
	"io"

	"github.com/flynn/noise"
)

// Identity is a node's secret: the Ed25519 key that signs what the node writes and
// proves, in its X25519 form, who it is on a connection. It may be used from many
// goroutines.
type Identity struct {
	private ed25519.PrivateKey
	public  PublicKey
	static  noise.DHKey
	// former are the identities that this one was before, the latest first.
	former []*Identity
}

// NewIdentity makes an identity of 32 bytes from random; nil is crypto/rand.
func NewIdentity(random io.Reader) (*Identity, error) {
	if random == nil {
		random = rand.Reader
	}
	var seed [ed25519.SeedSize]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	return identityFromSeed(seed), nil
}

func identityFromSeed(seed [ed25519.SeedSize]byte) *Identity {
	private := ed25519.NewKeyFromSeed(seed[:])
	public := PublicKey(private.Public().(ed25519.PublicKey))

	// RFC 8032 5.1.5: the scalar is the first half of the seed's hash, clamped.
	h := sha512.Sum512(seed[:])
	scalar := h[:32:32]
	scalar[0] &= 248
	scalar[31] &= 127
	scalar[31] |= 64

	u, err := public.montgomery()
	if err != nil {
		panic(err) // a multiple of the base point is in its group
	}
	return &Identity{
		private: private,
		public:  public,
		static:  noise.DHKey{Private: scalar, Public: u},
	}
}

// PublicKey returns the key that others know this node by.
func (id *Identity) PublicKey() PublicKey { return id.public }

// Sign returns the 64-byte Ed25519 signature of message.
func (id *Identity) Sign(message []byte) []byte {
	return ed25519.Sign(id.private, message)
}

// Format prints the public key whatever the verb, so that no log or message shows
// the secret.
func (id *Identity) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "identity of %s", id.public)
}
