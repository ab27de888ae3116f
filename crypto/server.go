package crypto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
)

// Server makes an encrypted connection of c, which the caller accepted. When the
// client has proved its key, admit decides: an error refuses the client, who sees
// only that the connection was closed, and Server returns that error, wrapped.
// admit runs once at most, and within the handshake's time; even after a nil from
// it, the client may never hear of being admitted. A client who did not prove a
// key is [ErrUnauthenticated]. A client that is admitted and came to a key that
// this node had before is told the next one, and that is an error too. From then
// on c belongs to the Conn; on an error c is
// closed.
func Server(ctx context.Context, c net.Conn, id *Identity, admit func(peer PublicKey, payload []byte) error, o Options) (*Conn, error) {
	o = o.withDefaults()
	var conn *Conn
	err := within(ctx, c, o.HandshakeTimeout, func() (err error) {
		conn, err = accept(c, id, admit, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("accept peer: %w", err)
	}
	return conn, nil
}

func accept(c net.Conn, id *Identity, admit func(PublicKey, []byte) error, o Options) (*Conn, error) {
	h, err := newHandshake(c, id, nil, o)
	if err != nil {
		return nil, err
	}
	former, err := h.receiveFirst(id, o)
	if err != nil {
		return nil, err
	}
	if _, _, err := h.send(nil); err != nil {
		return nil, err
	}
	// The minimum makes the payload at least a key.
	payload, receive, send, err := h.receive(identifyLen, identifyLen+MaxPayload)
	if err != nil {
		return nil, err
	}
	peer, payload := PublicKey(payload[:32]), payload[32:]
	static, err := peer.montgomery()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	}
	if !bytes.Equal(static, h.state.PeerStatic()) {
		return nil, fmt.Errorf("%w: it named another node's key", ErrUnauthenticated)
	}
	if err := admit(peer, payload); err != nil {
		return nil, fmt.Errorf("not admitted: %w", err)
	}
	conn := newConn(c, peer, send, receive, o)
	if former >= 0 {
		s := id.succession(former)
		return nil, errors.Join(errMoved, conn.out.record(kindMoved, s.moved()))
	}
	if err := conn.out.record(kindAccept, nil); err != nil {
		return nil, err
	}
	return conn, nil
}
