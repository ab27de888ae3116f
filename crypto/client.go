package crypto

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"syscall"
)

// Client makes an encrypted connection of c, which the caller dialed, to the node
// that holds peer's secret. payload, of up to [MaxPayload] bytes, goes to the
// server's admit and to nobody else. Client returns when the server has admitted
// this node; the error is [ErrRefused] when the server hung up instead and
// [ErrUnauthenticated] when it is not peer. A [MovedError] says that peer has
// another key now. From then on c belongs to the Conn; on
// an error c is closed.
func Client(ctx context.Context, c net.Conn, id *Identity, peer PublicKey, payload []byte, o Options) (*Conn, error) {
	o = o.withDefaults()
	var conn *Conn
	err := within(ctx, c, o.HandshakeTimeout, func() (err error) {
		conn, err = connect(c, id, peer, payload, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("connect to peer: %w", err)
	}
	return conn, nil
}

func connect(c net.Conn, id *Identity, peer PublicKey, payload []byte, o Options) (*Conn, error) {
	if len(payload) > MaxPayload {
		return nil, fmt.Errorf("handshake payload of %d bytes, over the limit of %d", len(payload), MaxPayload)
	}
	static, err := peer.montgomery()
	if err != nil {
		return nil, err
	}
	h, err := newHandshake(c, id, static, o)
	if err != nil {
		return nil, err
	}
	if _, _, err := h.send(nil); err != nil {
		return nil, refusal(err)
	}
	if _, _, _, err := h.receive(helloLen, helloLen); err != nil {
		return nil, refusal(err)
	}
	send, receive, err := h.send(append(id.public[:len(id.public):len(id.public)], payload...))
	if err != nil {
		return nil, refusal(err)
	}
	conn := newConn(c, peer, send, receive, o)
	if err := conn.in.accept(peer); err != nil {
		return nil, refusal(err)
	}
	return conn, nil
}

// refusal turns the other end's hanging up into ErrRefused. Which error shows it
// depends on the moment: bytes of ours that it had not read make it a reset.
func refusal(err error) error {
	for _, gone := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, gone) {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	var code syscall.Errno
	if runtime.GOOS == "windows" && errors.As(err, &code) && (code == 10053 || code == 10054) {
		return fmt.Errorf("%w: %w", ErrRefused, err) // WSAECONNABORTED, WSAECONNRESET
	}
	return err
}
