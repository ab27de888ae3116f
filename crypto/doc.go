// Package crypto is a node's identity and the encrypted connection between two
// nodes that know each other's keys.
//
// A [PublicKey] names a node: print it, store it, compare it with ==, check what
// the node signed with it. An [Identity] is the secret behind one: [NewIdentity]
// makes it, [Identity.Save] and [LoadIdentity] keep it in a file, and
// [Identity.Sign] signs batches. A [Conn] is a net.Conn for everything that
// travels between two nodes: use [Client] on the side that dialed and knows whom
// it wants to reach, [Server] on the side that accepted and decides whom to admit,
// or [ServerOf] where several nodes answer at one address.
//
// A [Ticket] lets a node in whose key nobody has added: it is one text with the key
// to reach and a [Secret], which the invited node proves to it in its payload.
//
// # Handshake
//
// Noise_XK_25519_XChaChaPoly_BLAKE2b, prologue "sqlsync/1". Each message has its
// length in front, as two big-endian bytes:
//
//	client → server   e, es             48 bytes
//	client ← server   e, ee             48 bytes
//	client → server   s, se, payload    96 to 96 + MaxPayload bytes
//	client ← server   the accept record
//
// The first two messages carry nothing of the caller's, since the first can be
// replayed and the second reaches a client not yet authenticated. The third's
// payload is the client's Ed25519 key, then what was given to Client. Whatever the
// server dislikes, it closes the connection and sends no byte more, so that no
// refusal can be told from another.
//
// The Noise static key of a node is the X25519 form of its Ed25519 key, as in
// libsodium's crypto_sign_ed25519_sk_to_curve25519 and _pk_to_curve25519.
//
// XChaChaPoly is AEAD_XChaCha20_Poly1305 (draft-irtf-cfrg-xchacha-03). Its 24-byte
// nonce is 16 zero bytes, then Noise's n as 64 bits little-endian; this carries
// over what Noise says of ChaChaPoly, whose 12 bytes are 4 zero ones, then n.
//
// # Records
//
// After the handshake each direction is a sequence of records:
//
//	2 bytes     length of what follows, big-endian, 17 to 32,768
//	n bytes     ciphertext of one byte of kind, then data
//	16 bytes    tag, counted in the length
//
//	kind 0      accept: the server's first record, and nowhere else; no data
//	kind 1      data: 1 to 32,751 bytes
//	kind 2      rekey: Noise's REKEY for all later records of this direction; no data
//	kind 3      close: nothing follows; no data
//	kind 4      moved: instead of accept, where the server has another key by now;
//	            that key, and the signature of the key that was reached
//
// A rekey before any data under the present key is refused, as is every other
// record that does not fit. There is no way back from a bad record.
//
// Noise's REKEY protects what was sent before a key was stolen, not what is sent
// after; a new connection does that.
package crypto
