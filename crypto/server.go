package crypto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
)

// Host is one of the nodes that answer at an address.
type Host struct {
	Identity *Identity
	// Admit decides on a client that has proved its key, see Server.
	Admit func(peer PublicKey, payload []byte) error
}

// MaxHosts is how many nodes may answer at one address. Each costs a stranger's
// connection a Diffie-Hellman.
const MaxHosts = 1024

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
	conn, _, err := ServerOf(ctx, c, []Host{{id, admit}}, o)
	return conn, err
}

// ServerOf is Server for whichever of the hosts the client wants, and returns its
// index, -1 if it wants none of them. The client names nobody: its first message
// can be read by the node that it is meant for only, so the hosts try in turn.
func ServerOf(ctx context.Context, c net.Conn, hosts []Host, o Options) (*Conn, int, error) {
	o = o.withDefaults()
	var conn *Conn
	at := -1
	err := within(ctx, c, o.HandshakeTimeout, func() (err error) {
		conn, at, err = accept(c, hosts, o)
		return err
	})
	if err != nil {
		return nil, at, fmt.Errorf("accept peer: %w", err)
	}
	return conn, at, nil
}

func accept(c net.Conn, hosts []Host, o Options) (*Conn, int, error) {
	if len(hosts) > MaxHosts {
		return nil, -1, fmt.Errorf("%d nodes at one address, over the limit of %d", len(hosts), MaxHosts)
	}
	h, at, former, err := greeted(c, hosts, o)
	if err != nil {
		return nil, -1, err
	}
	conn, err := admitted(h, hosts[at], former, o)
	return conn, at, err
}

// greeted reads the client's first message and finds the host that it is for,
// and which of the host's former keys, -1 for the present one.
func greeted(c net.Conn, hosts []Host, o Options) (h *handshake, at, former int, err error) {
	h = &handshake{conn: c}
	message, err := h.read(helloLen, helloLen)
	if err != nil {
		return nil, 0, 0, err
	}
	for at, host := range hosts {
		if former, err = h.first(message, host.Identity, o); err == nil {
			return h, at, former, nil
		}
	}
	return nil, 0, 0, fmt.Errorf("%w: its first message is for no node here", ErrUnauthenticated)
}

func admitted(h *handshake, host Host, former int, o Options) (*Conn, error) {
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
	if err := host.Admit(peer, payload); err != nil {
		return nil, fmt.Errorf("not admitted: %w", err)
	}
	conn := newConn(h.conn, peer, send, receive, o)
	if former >= 0 {
		s := host.Identity.succession(former)
		return nil, errors.Join(errMoved, conn.out.record(kindMoved, s.moved()))
	}
	if err := conn.out.record(kindAccept, nil); err != nil {
		return nil, err
	}
	return conn, nil
}
