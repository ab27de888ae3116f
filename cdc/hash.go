package cdc

import (
	"encoding/binary"
	"math"

	"github.com/zeebo/xxh3"

	"sqlsync/wire"
)

// hashSize is what a column takes in the hashes of a row: 48 bits, so that one
// changed cell in 2^48 goes unnoticed, at six bytes a cell on disk.
const hashSize = 6

// A value's hash covers its type and its bytes; the seed tells types apart.
const (
	seedNull = iota + 1
	seedInt
	seedFloat
	seedText
	seedBlob
)

// unknown is the hash of a cell that was never read. No value hashes to it.
const unknown = 0

// hashValue returns the 48-bit hash of a value, never unknown.
func hashValue(v wire.Value) uint64 {
	var h uint64
	var b [8]byte
	switch v := v.(type) {
	case nil:
		h = seedNull << 40
	case int64:
		binary.LittleEndian.PutUint64(b[:], uint64(v))
		h = xxh3.HashSeed(b[:], seedInt)
	case float64:
		binary.LittleEndian.PutUint64(b[:], math.Float64bits(v))
		h = xxh3.HashSeed(b[:], seedFloat)
	case string:
		h = xxh3.HashStringSeed(v, seedText)
	case []byte:
		h = xxh3.HashSeed(v, seedBlob)
	}
	if h >>= 64 - 8*hashSize; h == unknown {
		h = 1
	}
	return h
}

// otherHash is a hash that the value with this one has not: it is to be sealed,
// also where it is what the column began with.
func otherHash(h uint64) uint64 {
	if h ^= 1; h == unknown {
		h = 2
	}
	return h
}

// hashes are the hashes of one row's cells, by slot.
type hashes []byte

func (h hashes) at(slot int) uint64 {
	if i := slot * hashSize; i+hashSize <= len(h) {
		return getHash(h[i:])
	}
	return unknown
}

func getHash(b []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint16(b[4:]))<<32
}

func putHash(b []byte, h uint64) {
	binary.LittleEndian.PutUint32(b, uint32(h))
	binary.LittleEndian.PutUint16(b[4:], uint16(h>>32))
}

// with returns h with a slot's hash set, in memory of its own if grown.
func (h hashes) with(slot int, v uint64) hashes {
	if need := (slot + 1) * hashSize; len(h) < need {
		h = append(h, make([]byte, need-len(h))...)
	}
	putHash(h[slot*hashSize:], v)
	return h
}
