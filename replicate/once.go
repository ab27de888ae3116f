package replicate

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"sqlsync/merge"
	"sqlsync/wire"
)

// Sync brings every dataset that the remote may have to the same state on both
// sides: when it returns nil, whatever either side's applications had committed
// before the call is on both, as far as the directions allow. It uses the
// sessions that there are and dials where there is none; a connection that is
// lost on the way is made again. When ctx ends first, the error says what was
// still missing.
func (n *Node) Sync(ctx context.Context, remote string) error {
	r, ok := n.remote(remote)
	if !ok {
		return fmt.Errorf("%w: %q", ErrUnknownRemote, remote)
	}
	n.mu.Lock()
	n.reconcile()
	n.mu.Unlock()
	links := n.linksOf(r.Peer)
	if len(links) == 0 {
		return fmt.Errorf("sync %s: %w that it may have", remote, ErrNoDataset)
	}
	errs := make([]error, len(links))
	var group sync.WaitGroup
	for i, l := range links {
		group.Go(func() {
			if err := l.sync(ctx); err != nil {
				errs[i] = fmt.Errorf("sync %s, dataset %q: %w", remote, l.key.dataset, err)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func (l *link) sync(ctx context.Context) error {
	var missing error
	for attempt := 0; ; attempt++ {
		err := l.syncOnce(ctx, attempt)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return errors.Join(err, missing)
		case !passing(err):
			return err
		}
		missing = fmt.Errorf("last attempt: %w", err)
		Wait(ctx, firstRetry<<min(attempt, 4))
	}
}

// passing reports whether a session that ended with err may do better next time.
func passing(err error) bool {
	return errors.Is(err, errLost) || errors.Is(err, errSilent) || errors.Is(err, errStalled) || errors.Is(err, errClosed) || ordinary(err)
}

// syncOnce syncs over the session that there is, or over one of its own.
func (l *link) syncOnce(ctx context.Context, attempt int) error {
	l.node.mu.Lock()
	live := l.live
	l.node.mu.Unlock()
	if live != nil {
		return live.sync(ctx)
	}
	c, err := l.dial(ctx, attempt)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	group.Go(func() { l.serve(context.WithoutCancel(ctx), c, nil) }) // its error is sync's
	defer group.Wait()
	defer c.stop(nil)
	return c.sync(ctx)
}

// Schema returns the tables of a remote's dataset as a new replica needs them.
// The dataset need not exist here. The remote must allow us to pull from it.
func (n *Node) Schema(ctx context.Context, remote, dataset string) (*wire.Schema, error) {
	r, ok := n.remote(remote)
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUnknownRemote, remote)
	}
	dataset = datasetName(dataset)
	err := error(ErrUnreachable)
	for _, addr := range r.Addrs {
		var schema *wire.Schema
		if schema, err = n.schema(ctx, r, addr, dataset); err == nil {
			return schema, nil
		}
	}
	return nil, fmt.Errorf("schema of %s, dataset %q: %w", remote, dataset, err)
}

func (n *Node) schema(ctx context.Context, r Remote, addr, dataset string) (*wire.Schema, error) {
	nc, err := n.options.Dialer.Dial(ctx, r.Peer, addr, dataset)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	c := newConn(config{
		self: n.options.Self, peer: r.Peer, dataset: dataset, software: n.options.Software, limits: defaultLimits,
	}, emptyStore{n.keeper(dataset)}, newStream(nc), true)
	var group sync.WaitGroup
	group.Go(func() { c.run(context.WithoutCancel(ctx), nil) }) // its error is schema's
	defer group.Wait()
	defer c.stop(nil)
	return c.schema(ctx)
}

// emptyStore stands for a dataset that does not exist yet, in a session that
// neither pulls nor pushes.
type emptyStore struct{ keeper Keeper }

// keeper is the store of a dataset as far as it may be private.
func (n *Node) keeper(dataset string) Keeper {
	store, _ := n.options.Stores.Store(dataset)
	keeper, _ := store.(Keeper)
	return keeper
}

func (s emptyStore) Membership(ctx context.Context, peer merge.NodeID) (private bool, own, peers *wire.Proof, err error) {
	if s.keeper == nil {
		return false, nil, nil, nil
	}
	return s.keeper.Membership(ctx, peer)
}

func (emptyStore) Vector(context.Context) (merge.Vector, error)              { return nil, nil }
func (emptyStore) After(context.Context, int64, int) ([]wire.Held, error)    { return nil, nil }
func (emptyStore) Seal(context.Context) (merge.Vector, error)                { return nil, nil }
func (emptyStore) Confirm(context.Context, merge.NodeID, merge.Vector) error { return nil }
func (emptyStore) Offers(context.Context) ([]wire.TableOffer, error)         { return nil, nil }
func (emptyStore) Reoffers() (<-chan struct{}, func())                       { return nil, func() {} }
func (emptyStore) Agree(context.Context, merge.NodeID, []wire.TableOffer) (bool, error) {
	return false, nil
}
func (emptyStore) Adopt(context.Context, merge.NodeID, *wire.Schema) error { return nil }
func (emptyStore) Schema(context.Context) (*wire.Schema, error)            { return nil, nil }
func (emptyStore) Subscribe() (<-chan struct{}, func())                    { return nil, func() {} }
func (emptyStore) Apply(context.Context, merge.NodeID, []*wire.Sealed) (merge.Vector, error) {
	return nil, nil
}
