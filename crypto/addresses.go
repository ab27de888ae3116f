package crypto

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/blake2b"
)

// A statement of addresses says where a node can be reached. Whoever has the
// node's key can tell that the node has made it, whoever passes it on.
//
//	1 byte      format: 1
//	8 bytes     when it was made, in Unix milliseconds, big-endian
//	1 byte      number of addresses, at most 8; none says that it is not reached
//	            each: 1 byte length, HOST:PORT
//	64 bytes    the node's Ed25519 signature of all before it
//
// The signature is over addressesDomain first.
const (
	addressesFormat = 1
	addressesHead   = 1 + 8 + 1

	// MaxAddresses is how many a statement may have.
	MaxAddresses = 8
	maxAddress   = 255

	// MaxAddressesLen is the length of the longest statement.
	MaxAddressesLen = addressesHead + MaxAddresses*(1+maxAddress) + ed25519.SignatureSize

	addressesDomain = "sqlsync addresses 1\x00"
	blindDomain     = "sqlsync known 1\x00"
)

// Addresses are where a node can be reached, HOST:PORT each, by its own word.
type Addresses struct {
	Time time.Time // in whole milliseconds
	List []string
}

// State returns a statement of this node's addresses.
func (id *Identity) State(a Addresses) ([]byte, error) {
	if len(a.List) > MaxAddresses || a.Time.UnixMilli() < 0 {
		return nil, fmt.Errorf("state addresses: %d of them, at %v", len(a.List), a.Time)
	}
	b := []byte{addressesFormat}
	b = binary.BigEndian.AppendUint64(b, uint64(a.Time.UnixMilli()))
	b = append(b, byte(len(a.List)))
	for _, addr := range a.List {
		if !isAddress(addr) {
			return nil, fmt.Errorf("state addresses: %q is not HOST:PORT", addr)
		}
		b = append(append(b, byte(len(addr))), addr...)
	}
	return append(b, id.Sign(append([]byte(addressesDomain), b...))...), nil
}

// Stated reads a statement of the node with this key; ok is false for whatever
// else it is.
func (k PublicKey) Stated(b []byte) (a Addresses, ok bool) {
	if len(b) < addressesHead+ed25519.SignatureSize || len(b) > MaxAddressesLen || b[0] != addressesFormat {
		return a, false
	}
	signed, signature := b[:len(b)-ed25519.SignatureSize], b[len(b)-ed25519.SignatureSize:]
	ms, n, rest := binary.BigEndian.Uint64(b[1:]), int(b[9]), signed[addressesHead:]
	if int64(ms) < 0 || n > MaxAddresses {
		return a, false
	}
	for range n {
		if len(rest) == 0 || len(rest) <= int(rest[0]) {
			return a, false
		}
		addr := string(rest[1 : 1+rest[0]])
		if !isAddress(addr) {
			return a, false
		}
		a.List, rest = append(a.List, addr), rest[1+rest[0]:]
	}
	if len(rest) > 0 || !k.Verify(append([]byte(addressesDomain), signed...), signature) {
		return Addresses{}, false
	}
	a.Time = time.UnixMilli(int64(ms)).UTC()
	return a, true
}

// isAddress reports whether a text is HOST:PORT and can be shown to people.
func isAddress(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	n, perr := strconv.ParseUint(port, 10, 16)
	return err == nil && perr == nil && n > 0 && strconv.FormatUint(n, 10) == port && host != "" && len(addr) <= maxAddress &&
		strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:%") == ""
}

// BlindLen is the length of a key that was blinded.
const BlindLen = 16

// Blind is a key as it is told to those who may not have it: they can compare,
// and learn nothing of a key that they do not know.
func (k PublicKey) Blind(salt []byte) (tag [BlindLen]byte) {
	h, err := blake2b.New(BlindLen, k[:])
	if err != nil {
		panic(err) // the sizes are right
	}
	h.Write([]byte(blindDomain))
	h.Write(salt)
	return [BlindLen]byte(h.Sum(nil))
}
