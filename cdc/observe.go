package cdc

import (
	"context"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

// Work is what a transaction did that came to hold batches, or an attempt to
// seal or apply that failed.
type Work struct {
	Dataset string
	// From is the peer that sent what was applied, zero for a seal.
	From            merge.NodeID
	Sealed, Applied Amount
	// Took is how long the transaction lasted, its commit included.
	Took time.Duration
	Err  error
	// grown says that subscribers are to look again, told that they know.
	grown, told bool
}

// Amount is how much there was of batches.
type Amount struct{ Batches, Changes, Bytes int64 }

func (a *Amount) add(changes int, sealed *wire.Sealed) {
	a.Batches++
	a.Changes += int64(changes)
	a.Bytes += int64(sealed.Size())
}

// holds notes a batch that this transaction came to hold.
func (t *tx) holds(ds *dataset, origin merge.NodeID, changes int, sealed *wire.Sealed) {
	t.work.grown, t.work.Dataset = true, ds.name
	if t.mine(origin) {
		t.work.Sealed.add(changes, sealed)
	} else {
		t.work.Applied.add(changes, sealed)
	}
}

// observe tells of a transaction that was committed.
func (s *Store) observe(w Work) {
	if w.grown && !w.told {
		s.grown.send()
	}
	if s.observer != nil && w.Sealed.Batches+w.Applied.Batches > 0 {
		s.observer(w)
	}
}

// failed tells of what could not be done.
func (s *Store) failed(ctx context.Context, dataset string, from merge.NodeID, err error) {
	if s.observer != nil && err != nil && ctx.Err() == nil {
		s.observer(Work{Dataset: dataset, From: from, Err: err})
	}
}
