package cdc

import (
	"sync"

	"sqlsync/merge"
	"sqlsync/wire"
)

// tailBytes is how much of what came to be held last is kept in memory, by
// dataset.
const tailBytes = 2 << 20

// tail has the batches that came to be held last, as far as they are whole,
// which every peer is about to be sent: they need not be read and verified again
// for each.
type tail struct {
	mu sync.Mutex
	m  map[string]*recent
}

// recent has every batch of a dataset after one place and up to the last in
// list, unless another process has held some since.
type recent struct {
	after int64
	list  []wire.Held
	bytes int
}

// add takes what a committed transaction came to hold, by dataset.
func (c *tail) add(held map[string][]wire.Held) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[string]*recent)
	}
	for dataset, list := range held {
		for _, h := range list {
			r := c.m[dataset]
			if !h.Sealed.Whole() { // what was left out may come later
				delete(c.m, dataset)
				continue
			}
			if r == nil || h.Pos != r.list[len(r.list)-1].Pos+1 {
				r = &recent{after: h.Pos - 1}
				c.m[dataset] = r
			}
			r.add(h)
		}
	}
}

func (r *recent) add(h wire.Held) {
	r.list = append(r.list, h)
	for r.bytes += h.Sealed.Size(); r.bytes > tailBytes && len(r.list) > 1; {
		r.after, r.bytes = r.list[0].Pos, r.bytes-r.list[0].Sealed.Size()
		r.list[0] = wire.Held{}
		r.list = r.list[1:]
	}
}

// forget is for when held batches are taken out of the file.
func (c *tail) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.m = nil
}

// read is AfterExcept as far as it is known; nothing means that the file has to
// be asked.
func (c *tail) read(dataset string, pos int64, have merge.Vector, maxBytes int) (list []wire.Held) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.m[dataset]
	if r == nil || pos < r.after {
		return nil
	}
	size := 0
	for _, h := range r.list {
		if h.Pos > pos && h.Seq > have[h.Origin].Seq && size < maxBytes {
			list = append(list, h)
			size += h.Sealed.Size()
		}
	}
	return list
}
