package cdc

import (
	"context"
	"slices"
	"sync"

	"sqlsync/wire"
)

// recentBytes bounds the batches that a store keeps in memory.
const recentBytes = 4 << 20

// recent are batches that this process has sealed, as they were committed: peers
// are given them at once, and what was not read from the file need not be
// verified. Nothing is in it that is not in the file.
type recent struct {
	mu    sync.Mutex
	list  []justSealed // in the order in which they were committed
	bytes int
}

// justSealed is a batch with its place.
type justSealed struct {
	dataset string
	pos     int64
	seq     uint64
	sealed  *wire.Sealed
}

// add keeps batches that were committed, in place of those before.
func (r *recent) add(list []justSealed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range list {
		r.list, r.bytes = append(r.list, b), r.bytes+b.sealed.Size()
	}
	drop := 0
	for ; r.bytes > recentBytes; drop++ {
		r.bytes -= r.list[drop].sealed.Size()
	}
	r.list = slices.Delete(r.list, 0, drop)
}

// get returns a batch of this node, nil if it is not kept. The caller may take
// sections out of it.
func (r *recent) get(dataset string, h *wire.Held) *wire.Sealed {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.list {
		if b := &r.list[i]; h.Own && b.pos == h.Pos && b.dataset == dataset && b.seq == h.Seq {
			own := *b.sealed
			own.Sections = slices.Clone(own.Sections)
			return &own
		}
	}
	return nil
}

// heldAt reads a batch that is held.
func (d *Stream) heldAt(ctx context.Context, h *wire.Held, rowid int64) (err error) {
	if h.Sealed = d.s.recent.get(d.name, h); h.Sealed != nil {
		return nil
	}
	var sealed []byte
	if err := d.s.get(ctx, &sealed, `SELECT sealed FROM sqlsync_batch WHERE rowid = ?`, rowid); err != nil {
		return err
	}
	if h.Sealed, err = wire.ParseSealed(sealed); err == nil {
		err = h.Sealed.Verify(d.s.verify)
	}
	return damagedBatch(err)
}
