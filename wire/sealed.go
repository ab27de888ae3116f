package wire

import "sqlsync/merge"

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

// Held is a sealed batch with its place in the order in which a store came to
// hold its dataset's batches.
type Held struct {
	// Pos rises with every batch that is held, whatever its origin; it has
	// gaps. It means something to the store that gave it only.
	Pos    int64
	Origin merge.NodeID
	Seq    uint64
	Sealed *Sealed
}
