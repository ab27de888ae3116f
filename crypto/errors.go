package crypto

import "errors"

var (
	// ErrBadKey is returned for text that is not a key: mistyped, cut short,
	// or of another kind; also for a key file with anything else in it.
	ErrBadKey = errors.New("not a valid sqlsync key")

	// ErrKeyPermissions is returned for a key file that others on the machine can open.
	ErrKeyPermissions = errors.New("key file is open to other users")

	// ErrRefused is returned by Client when the other end hung up during the
	// handshake. It does not say why, and whoever can cut the connection can cause it.
	ErrRefused = errors.New("the peer refused this key or is not the peer named")

	// ErrUnauthenticated is returned when the other end does not speak this
	// protocol or does not hold the key that it should.
	ErrUnauthenticated = errors.New("the other end did not prove its key")

	// ErrBadRecord is returned when a record was altered, repeated, moved or made
	// against the rules. The connection is closed then.
	ErrBadRecord = errors.New("record damaged or forged")
)
