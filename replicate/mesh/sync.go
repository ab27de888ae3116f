package mesh

import (
	"context"
	"errors"
	"slices"
	"time"

	"sqlsync/cdc"
	"sqlsync/replicate"
)

// Sync exchanges with a remote until both sides have everything that either
// application had committed before, and notes how that went. It needs no Serve,
// and may run beside one.
func (m *Member) Sync(ctx context.Context, remote string) error {
	err := m.sync(ctx, remote)
	if nerr := m.noteSync(context.WithoutCancel(ctx), remote, err); nerr != nil {
		m.log.Warn("note the state of a peer", "peer", remote, "err", nerr)
	}
	return err
}

// sync syncs with a remote. What came may have changed rows of this node's own,
// which were given other keys: then it goes on until those are there, too.
func (m *Member) sync(ctx context.Context, remote string) error {
	err := m.Node.Sync(ctx, remote)
	for errors.Is(err, ErrMoved) && ctx.Err() == nil { // as often as it had other keys
		err = m.Node.Sync(ctx, remote)
	}
	if err != nil {
		return err
	}
	if more, err := m.lacks(ctx, remote); err != nil || !more {
		return err
	}
	return m.Node.Sync(ctx, remote)
}

// lacks reports whether there is something here now that a remote was not given.
func (m *Member) lacks(ctx context.Context, remote string) (bool, error) {
	list, err := m.Node.Status(ctx)
	if err != nil {
		return false, err
	}
	for _, st := range list {
		if st.Remote.Name != remote || !st.Remote.Push {
			continue
		}
		for dataset, has := range st.Confirmed {
			v, err := m.Store.Stream(dataset).Vector(ctx)
			if err != nil {
				return false, err
			}
			if !has.Covers(v) {
				return true, nil
			}
		}
	}
	return false, nil
}

// noteSync keeps for status how a sync has ended, and what the remote has
// confirmed. Beside a running serve only the time is news.
func (m *Member) noteSync(ctx context.Context, remote string, failure error) error {
	list, err := m.Store.Remotes(ctx)
	i := slices.IndexFunc(list, func(r cdc.Remote) bool { return r.Name == remote })
	if err != nil || i < 0 || errors.Is(failure, context.Canceled) { // which is nobody's trouble
		return err
	}
	r := list[i]
	p := cdc.PeerState{Peer: r.Key, State: string(replicate.Idle)}
	if Served(m.Store.Path()) {
		if failure != nil {
			return nil
		}
		had, err := m.Store.Peers(ctx)
		if err != nil {
			return err
		}
		p = had[r.Key]
		p.Peer = r.Key
	}
	switch {
	case failure == nil:
		p.LastSync = time.Now()
	case errors.Is(failure, replicate.ErrRefused):
		p.State = string(replicate.Refused)
	}
	if failure != nil {
		p.Error = failure.Error()
	}
	states, err := m.Node.Status(ctx)
	if err != nil {
		return err
	}
	for _, st := range states {
		if st.Remote.Peer != r.Key {
			continue
		}
		if p.Datasets == nil {
			p.Datasets = peerDatasets(st, true)
		}
		for dataset, v := range st.Confirmed {
			if err := m.Store.Stream(dataset).Confirm(ctx, r.Key, v); err != nil {
				return err
			}
		}
	}
	return m.Store.NotePeers(ctx, []cdc.PeerState{p})
}
