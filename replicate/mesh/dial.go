package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/replicate"
)

// dialer makes encrypted connections.
type dialer struct{ *Member }

func (d dialer) Dial(ctx context.Context, peer merge.NodeID, addr, _ string) (net.Conn, error) {
	nd := net.Dialer{Timeout: 10 * time.Second}
	raw, err := nd.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, WithoutAddr(err)
	}
	c, err := crypto.Client(ctx, raw, d.Identity, crypto.PublicKey(peer), d.Identity.Introduction(), crypto.Options{})
	var moved *crypto.MovedError
	if errors.As(err, &moved) {
		return nil, d.moved(ctx, moved)
	}
	if errors.Is(err, crypto.ErrRefused) {
		return nil, &UnknownHereError{d.Identity.PublicKey()}
	}
	if err != nil {
		return nil, err
	}
	return present{c, d.peers.enter(peer, c.RemoteAddr())}, nil
}

// WithoutAddr is a network error without the address, which the caller names.
func WithoutAddr(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Err
	}
	return err
}

// UnknownHereError says that a peer hung up on this node's key. It does not say
// why, so it may as well be another node. It is replicate.ErrRefused.
type UnknownHereError struct{ Self crypto.PublicKey }

func (e *UnknownHereError) Error() string {
	return fmt.Sprintf("the peer does not know this key: sqlsync remote add NAME %s there (or the address is another node's)", e.Self)
}

func (e *UnknownHereError) Is(target error) bool {
	return target == replicate.ErrRefused || target == crypto.ErrRefused
}

// stranger is a node that has proved its key, which is no remote's.
type stranger struct{ key crypto.PublicKey }

func (e *stranger) Error() string {
	return fmt.Sprintf("%s is not a remote: sqlsync remote add NAME %s lets it in", e.key, e.key)
}

func (e *stranger) Is(target error) bool { return target == replicate.ErrRefused }

// refused logs a connection that was not let in. Whatever knocks without
// proving a key is not worth a line each.
func (m *Member) refused(from net.Addr, err error) {
	level := slog.LevelDebug
	var s *stranger
	if errors.As(err, &s) && m.peers.stranger(merge.NodeID(s.key), time.Now()) {
		level = slog.LevelInfo
	}
	m.log.Log(context.Background(), level, "refused a connection", "from", from.String(), "err", err)
}
