package crypto

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/flynn/noise"
)

const (
	prologue = "sqlsync/1"

	// MaxPayload is how many bytes of its own a client may send in the handshake.
	MaxPayload = 4096

	tagLen      = 16
	helloLen    = 32 + tagLen               // messages 1 and 2: an ephemeral key, no payload
	identifyLen = 32 + tagLen + 32 + tagLen // message 3 without the caller's payload
)

// Options are the limits of a connection; the zero value is the default of each.
type Options struct {
	// HandshakeTimeout is the time until both sides must be authenticated: 10 s.
	HandshakeTimeout time.Duration

	// RekeyBytes and RekeyInterval are how much this side sends under one key, and
	// how old a key may be when it sends: 1 GiB, 1 h. An idle connection keeps its key.
	RekeyBytes    int64
	RekeyInterval time.Duration

	// Now is the clock for RekeyInterval: time.Now.
	Now func() time.Time

	// Rand makes the ephemeral key: crypto/rand.
	Rand io.Reader
}

func (o Options) withDefaults() Options {
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = 10 * time.Second
	}
	if o.RekeyBytes == 0 {
		o.RekeyBytes = 1 << 30
	}
	if o.RekeyInterval == 0 {
		o.RekeyInterval = time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// noiseConfig is XK in full; only the cipher is open, so that published vectors,
// which use another, can run through it. peerStatic is nil for the responder.
func noiseConfig(c noise.CipherFunc, prologue string, static noise.DHKey, peerStatic []byte, random io.Reader) noise.Config {
	return noise.Config{
		CipherSuite:   noise.NewCipherSuite(noise.DH25519, c, noise.HashBLAKE2b),
		Random:        random,
		Pattern:       noise.HandshakeXK,
		Initiator:     peerStatic != nil,
		Prologue:      []byte(prologue),
		StaticKeypair: static,
		PeerStatic:    peerStatic,
	}
}

// handshake sends and receives Noise messages with their lengths. Its buffer, and
// not one of a record's size, is all that an unknown peer can make us hold.
type handshake struct {
	conn  net.Conn
	state *noise.HandshakeState
	buf   [2 + identifyLen + MaxPayload]byte
}

func newHandshake(conn net.Conn, id *Identity, peerStatic []byte, o Options) (*handshake, error) {
	state, err := newState(id, peerStatic, o)
	if err != nil {
		return nil, err
	}
	return &handshake{conn: conn, state: state}, nil
}

func newState(id *Identity, peerStatic []byte, o Options) (*noise.HandshakeState, error) {
	return noise.NewHandshakeState(noiseConfig(xchachaPoly{}, prologue, id.static, peerStatic, o.Rand))
}

// send returns the two directions' keys, the initiator's first, when it was the
// last message.
func (h *handshake) send(payload []byte) (*noise.CipherState, *noise.CipherState, error) {
	message, first, second, err := h.state.WriteMessage(h.buf[:2], payload)
	if err != nil {
		return nil, nil, err
	}
	binary.BigEndian.PutUint16(message, uint16(len(message)-2))
	_, err = h.conn.Write(message)
	return first, second, err
}

// receive is for a message of least to most bytes, which h.buf has room for.
func (h *handshake) receive(least, most int) (payload []byte, first, second *noise.CipherState, err error) {
	message, err := h.read(least, most)
	if err != nil {
		return nil, nil, nil, err
	}
	payload, first, second, err = h.state.ReadMessage(nil, message)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	}
	return payload, first, second, nil
}

func (h *handshake) read(least, most int) ([]byte, error) {
	if _, err := io.ReadFull(h.conn, h.buf[:2]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(h.buf[:]))
	if n < least || n > most {
		return nil, fmt.Errorf("%w: handshake message of %d bytes", ErrUnauthenticated, n)
	}
	_, err := io.ReadFull(h.conn, h.buf[2:2+n])
	return h.buf[2 : 2+n], err
}

// first opens a client's first message with one of a node's keys: it returns -1
// for the present one, or which of the former.
func (h *handshake) first(message []byte, id *Identity, o Options) (former int, err error) {
	keys := append([]*Identity{id}, id.former...)
	for i, key := range keys {
		if h.state, err = newState(key, nil, o); err != nil {
			return 0, err
		}
		if _, _, _, err = h.state.ReadMessage(nil, message); err == nil {
			return i - 1, nil
		}
	}
	return 0, fmt.Errorf("%w: %w", ErrUnauthenticated, err)
}

// within runs f, which uses conn, until the timeout or the end of ctx. It closes
// conn when anything goes wrong.
func within(ctx context.Context, conn net.Conn, timeout time.Duration, f func() error) error {
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return errors.Join(err, conn.Close())
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		conn.SetDeadline(time.Unix(1, 0))
	})
	err := f()
	if !stop() {
		<-interrupted
		err = context.Cause(ctx)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		conn.Close()
	}
	return err
}
