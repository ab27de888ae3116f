package crypto

import (
	"crypto/ed25519"
	"encoding/binary"
	"hash"
	"time"

	"golang.org/x/crypto/blake2b"
)

// An announcement says to those who know a node's key that the node can be
// reached at the sender's address. Nobody else learns whose it is, and it holds
// no secret.
//
//	1 byte      format: 1
//	8 bytes     when it was made, in Unix seconds, big-endian
//	2 bytes     TCP port, big-endian
//	16 bytes    BLAKE2b-128 of all before it, keyed with the node's public key
//	64 bytes    the node's Ed25519 signature of all before it
//
// The tag and the signature are over announcementDomain first.
const (
	announcementFormat = 1
	announcementBody   = 1 + 8 + 2
	announcementTag    = 16

	// AnnouncementLen is the length of every announcement.
	AnnouncementLen = announcementBody + announcementTag + ed25519.SignatureSize

	announcementDomain = "sqlsync announcement 1\x00"
)

// Announcement is what a node announces.
type Announcement struct {
	Time time.Time // in whole seconds
	Port uint16
}

// Announce returns an announcement of this node's.
func (id *Identity) Announce(a Announcement) []byte {
	b := make([]byte, 0, AnnouncementLen)
	b = append(b, announcementFormat)
	b = binary.BigEndian.AppendUint64(b, uint64(a.Time.Unix()))
	b = binary.BigEndian.AppendUint16(b, a.Port)
	b = id.public.announcementTag(b).Sum(b)
	return append(b, id.Sign(append([]byte(announcementDomain), b...))...)
}

// Announced reads an announcement of the node with this key; ok is false for
// whatever else it is. An old one said again is one.
func (k PublicKey) Announced(b []byte) (a Announcement, ok bool) {
	if len(b) != AnnouncementLen || b[0] != announcementFormat {
		return a, false
	}
	signed, signature := b[:announcementBody+announcementTag], b[announcementBody+announcementTag:]
	// The tag is no secret's; it only spares most checks of signatures.
	if string(k.announcementTag(signed[:announcementBody]).Sum(nil)) != string(signed[announcementBody:]) {
		return a, false
	}
	if !k.Verify(append([]byte(announcementDomain), signed...), signature) {
		return a, false
	}
	seconds := binary.BigEndian.Uint64(b[1:])
	if int64(seconds) < 0 {
		return a, false
	}
	return Announcement{Time: time.Unix(int64(seconds), 0).UTC(), Port: binary.BigEndian.Uint16(b[9:])}, true
}

func (k PublicKey) announcementTag(body []byte) hash.Hash {
	h, err := blake2b.New(announcementTag, k[:])
	if err != nil {
		panic(err) // the sizes are right
	}
	h.Write([]byte(announcementDomain))
	h.Write(body)
	return h
}
