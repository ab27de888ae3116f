package cdc

import "sync"

// totals remembers the bytes of the batches that are held, so that only new
// ones are looked at: a length is in its row, and rows are far apart.
type totals struct {
	mu sync.Mutex
	m  map[int64]total // by dataset
}

type total struct{ upTo, batches, bytes int64 }

// of returns how many batches a dataset has and their bytes.
func (c *totals) of(t *tx, ds *dataset) (batches, bytes int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if batches, err = t.Int(`SELECT count(*) FROM sqlsync_batch WHERE dataset_id = ?`, ds.id); err != nil {
		return 0, 0, err
	}
	have, err := c.m[ds.id].advance(t, ds)
	if err == nil && have.batches != batches { // some are gone: count anew
		have, err = total{}.advance(t, ds)
	}
	if err != nil {
		return 0, 0, err
	}
	if c.m == nil {
		c.m = make(map[int64]total)
	}
	c.m[ds.id] = have
	return have.batches, have.bytes, nil
}

func (have total) advance(t *tx, ds *dataset) (total, error) {
	err := t.Query(func(row []any) error {
		upTo, _ := row[0].(int64)
		n, _ := row[1].(int64)
		bytes, _ := row[2].(int64)
		have = total{max(have.upTo, upTo), have.batches + n, have.bytes + bytes}
		return nil
	}, `SELECT max(pos), count(*), sum(length(sealed)) FROM sqlsync_batch WHERE dataset_id = ? AND pos > ?`, ds.id, have.upTo)
	return have, err
}
