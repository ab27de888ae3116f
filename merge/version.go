package merge

import (
	"bytes"
	"cmp"
	"encoding/hex"
)

// NodeID names a node: its Ed25519 public key.
type NodeID [32]byte

// Compare orders nodes by the bytes of their keys.
func (n NodeID) Compare(o NodeID) int { return bytes.Compare(n[:], o[:]) }

// String returns the start of the key in hex, for logs and tests; the text
// form that people exchange belongs to package crypto.
func (n NodeID) String() string { return hex.EncodeToString(n[:4]) }

// Version is the identity and the rank of one write. Versions are totally
// ordered: by HLC, then by origin, which breaks ties.
type Version struct {
	HLC    HLC
	Origin NodeID
}

// Compare returns -1, 0 or +1 as v is before, equal to or after o.
func (v Version) Compare(o Version) int {
	if c := cmp.Compare(v.HLC, o.HLC); c != 0 {
		return c
	}
	return v.Origin.Compare(o.Origin)
}

// After reports whether v is later than o.
func (v Version) After(o Version) bool { return v.Compare(o) > 0 }

// IsZero reports whether v is no version at all.
func (v Version) IsZero() bool { return v == Version{} }
