package cdc

import (
	"context"
	"fmt"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/wire"
)

// chainEnd is how far a chain is held.
type chainEnd struct {
	dataset  int64
	name     string
	originID int64
	origin   merge.NodeID
	seq      uint64
	hash     []byte
	highest  uint64 // of the batches that are there
}

// heldBatch is a batch as it is stored.
type heldBatch struct {
	seq    uint64
	sealed []byte
}

// verifyChains opens every batch of every chain and follows the hashes. It
// reads a few batches at a time, up to where the chain was when it began.
func (s *Store) verifyChains(ctx context.Context, found func(Finding) error, opened func(int)) error {
	ends, err := s.chainEnds(ctx)
	if err != nil {
		return fmt.Errorf("verify chains: %w", err)
	}
	for _, end := range ends {
		c := chainCheck{ctx: ctx, s: s, end: end, found: found}
		if err := c.pruned(); err != nil {
			return fmt.Errorf("verify chains: %w", err)
		}
		for more := true; more; {
			batches, err := s.batchesAfter(ctx, end, c.at)
			if err != nil {
				return fmt.Errorf("verify chains: %w", err)
			}
			for _, b := range batches {
				if err := c.check(b); err != nil {
					return err
				}
			}
			opened(len(batches))
			more = len(batches) > 0
		}
		if err := c.finish(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) chainEnds(ctx context.Context) (list []chainEnd, err error) {
	err = s.peek(ctx, func(t *tx) error {
		return t.Query(func(row []any) error {
			end := chainEnd{dataset: row[0].(int64), name: row[1].(string), originID: row[2].(int64)}
			seq, _ := row[3].(int64)
			end.seq = uint64(seq)
			end.hash, _ = row[4].([]byte)
			highest, _ := row[5].(int64)
			end.highest = uint64(highest)
			key, _ := row[6].([]byte)
			if len(key) == len(end.origin) {
				end.origin = merge.NodeID(key)
			}
			list = append(list, end)
			return nil
		}, `SELECT d.id, d.name, c.origin_id, v.seq, v.hash, (SELECT max(seq) FROM sqlsync_batch WHERE dataset_id = d.id AND origin_id = c.origin_id), o.key
			FROM (SELECT dataset_id, origin_id FROM sqlsync_vector UNION SELECT dataset_id, origin_id FROM sqlsync_batch) AS c
			JOIN sqlsync_dataset AS d ON d.id = c.dataset_id
			LEFT JOIN sqlsync_vector AS v ON v.dataset_id = c.dataset_id AND v.origin_id = c.origin_id
			LEFT JOIN sqlsync_origin AS o ON o.id = c.origin_id ORDER BY d.id, c.origin_id`)
	})
	return list, err
}

// batchesAfter reads the next batches of a chain.
func (s *Store) batchesAfter(ctx context.Context, end chainEnd, after uint64) (list []heldBatch, err error) {
	err = s.peek(ctx, func(t *tx) error {
		size := 0
		return t.Query(func(row []any) error {
			b := heldBatch{seq: uint64(row[0].(int64))}
			b.sealed, _ = row[1].([]byte)
			list = append(list, b)
			if size += len(b.sealed); size > sealBytes {
				return sqlconn.Stop
			}
			return nil
		}, `SELECT seq, sealed FROM sqlsync_batch WHERE dataset_id = ? AND origin_id = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT 100`,
			end.dataset, end.originID, int64(after), int64(end.seq))
	})
	return list, err
}

// chainCheck follows one chain.
type chainCheck struct {
	ctx   context.Context
	s     *Store
	end   chainEnd
	found func(Finding) error
	// at is the number of the last batch seen, hash its hash, which is not
	// known after a damaged one.
	at      uint64
	hash    wire.Hash
	unknown bool
}

func (c *chainCheck) report(kind FindingKind, seq uint64, detail string) error {
	return c.found(Finding{Kind: kind, Dataset: c.end.name, Origin: c.end.origin, Seq: seq, Detail: detail})
}

// pruned goes to the checkpoint of the chain, which a prune may have moved.
func (c *chainCheck) pruned() error {
	return c.s.peek(c.ctx, func(t *tx) error {
		return t.Query(func(row []any) error {
			seq := uint64(row[0].(int64))
			if hash, _ := row[1].([]byte); seq > c.at && len(hash) == len(c.hash) {
				c.at, c.hash, c.unknown = seq, wire.Hash(hash), false
			}
			return nil
		}, `SELECT seq, hash FROM sqlsync_checkpoint WHERE dataset_id = ? AND origin_id = ?`, c.end.dataset, c.end.originID)
	})
}

func (c *chainCheck) check(b heldBatch) error {
	if b.seq != c.at+1 {
		if err := c.pruned(); err != nil {
			return err
		}
	}
	if b.seq <= c.at {
		return nil // pruned meanwhile
	}
	if b.seq != c.at+1 {
		detail := "it is not there"
		if b.seq > c.at+2 {
			detail = fmt.Sprintf("it and those up to %d are not there", b.seq-1)
		}
		if err := c.report(MissingBatch, c.at+1, detail); err != nil {
			return err
		}
		c.unknown = true
	}
	hash, err := c.s.checkBatch(b, &c.end)
	wrong := ""
	switch {
	case err != nil:
		wrong = err.Error()
	case !c.unknown && hash.prev != c.hash:
		wrong = "it does not name the batch before it"
	}
	c.at, c.hash, c.unknown = b.seq, hash.own, err != nil
	if wrong == "" {
		return nil
	}
	return c.report(DamagedBatch, b.seq, wrong)
}

// finish compares the end of the chain with the vector.
func (c *chainCheck) finish() error {
	switch {
	case c.at < c.end.seq:
		return c.report(MissingBatch, c.at+1, fmt.Sprintf("the vector says %d and the chain ends before", c.end.seq))
	case c.end.highest > c.end.seq:
		return c.report(DamagedBatch, c.end.seq+1, fmt.Sprintf("it is there and the vector ends at %d", c.end.seq))
	case !c.unknown && string(c.hash[:]) != string(c.end.hash):
		return c.report(DamagedBatch, c.end.seq, "its hash is not the one that the vector has")
	}
	return nil
}

// links are the hashes of a batch and of its predecessor.
type links struct{ own, prev wire.Hash }

// checkBatch opens one batch: hash, signature, every section.
func (s *Store) checkBatch(b heldBatch, end *chainEnd) (links, error) {
	sealed, err := wire.ParseSealed(b.sealed)
	if err != nil {
		return links{}, err
	}
	o, err := s.openBatch(sealed)
	if err != nil {
		return links{}, err
	}
	h := &o.header
	if h.Dataset != end.name || h.Origin != end.origin || h.Seq != b.seq {
		return links{}, fmt.Errorf("it is batch %d of %v in %s", h.Seq, h.Origin, h.Dataset)
	}
	return links{sealed.Hash(), h.Prev}, nil
}
