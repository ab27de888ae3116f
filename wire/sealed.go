package wire

// Sealed is a batch as it is stored and sent.
type Sealed struct {
	// Head is the encoded header with the directory of the sections.
	Head []byte
	// Signature is the origin's Ed25519 signature of the hash.
	Signature []byte
	// Sections holds each section's compressed bytes, nil where it was left
	// out because the receiver does not want the table.
	Sections [][]byte
}
