package replicate

import (
	"context"
	"net"

	"sqlsync/merge"
	"sqlsync/wire"
)

// gatedStore applies nothing before its gate is closed.
type gatedStore struct {
	*memStore
	gate chan struct{}
}

func (g *gatedStore) Apply(ctx context.Context, from merge.NodeID, b []*wire.Sealed) (merge.Vector, error) {
	select {
	case <-g.gate:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return g.memStore.Apply(ctx, from, b)
}

// newBlackhole is a connection whose other end takes everything and never
// answers.
func newBlackhole() net.Conn {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		b := make([]byte, 1000)
		for {
			if _, err := far.Read(b); err != nil {
				return
			}
		}
	}()
	return near
}
