package cdc

import (
	"fmt"
	"slices"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// leave notes the sections that are not in a batch that came to be held. Of
// one that this node has made itself, before its file was put back, a section
// may be lost for good: then the rows are to be had from a peer.
func (t *tx) leave(ds *dataset, h *wire.Header, left []string) error {
	if len(left) == 0 {
		return nil
	}
	origin, err := t.origin(h.Origin)
	if err != nil {
		return err
	}
	for _, name := range left {
		switch tab := t.cfg.byName[schema.Fold(name)]; {
		case t.mine(h.Origin) && tab != nil && tab.takes(ds):
			if err := t.need(tab); err != nil {
				return err
			}
			continue
		case t.mine(h.Origin): // should it be watched, the rows are to be had likewise
			if err := t.forgo(ds, origin, name); err != nil {
				return err
			}
			continue
		case ds.wanting(name):
			return fmt.Errorf("%w: batch %d of %v came without table %s", wire.ErrGap, h.Seq, h.Origin, name)
		}
		if _, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_left (dataset_id, origin_id, seq, name, wanted) VALUES (?, ?, ?, ?, 0)`,
			ds.id, origin, int64(h.Seq), schema.Fold(name)); err != nil {
			return fmt.Errorf("note what was left out: %w", err)
		}
	}
	return nil
}

// fill puts the sections into a held batch that are wanted of it and came now.
// They are merged when the table has all of them, in the order in which the
// batches came to be held: that is causal, and the order in which they come now
// need not be. Most batches that come again lack none.
func (t *tx) fill(ds *dataset, from merge.NodeID, o *opened) error {
	h := &o.header
	origin, err := t.origin(h.Origin)
	if err != nil {
		return err
	}
	wanted, err := t.Int(`SELECT count(*) FROM sqlsync_left WHERE dataset_id = ? AND origin_id = ? AND seq = ? AND wanted`, ds.id, origin, int64(h.Seq))
	if err != nil || wanted == 0 {
		return err
	}
	var pos int64
	var blob []byte
	if err := t.Query(func(row []any) error {
		pos, blob = row[0].(int64), row[1].([]byte)
		return nil
	}, `SELECT pos, sealed FROM sqlsync_batch WHERE dataset_id = ? AND origin_id = ? AND seq = ?`, ds.id, origin, int64(h.Seq)); err != nil {
		return err
	}
	held, err := t.s.parseHeld(blob)
	damaged := err != nil
	var hash wire.Hash
	if !damaged {
		hash = held.Hash()
	} else if hash, err = t.hashOf(ds, prunable{pos: pos, origin: origin, seq: int64(h.Seq)}, blob); err != nil {
		return err
	}
	switch {
	case hash != wire.Hash{} && hash != o.sealed.Hash():
		return t.forked(ds, h.Origin, h.Seq, from)
	case damaged: // what came is the whole of what is wanted, if it is enough
		held = &wire.Sealed{Head: o.sealed.Head, Signature: o.sealed.Signature, Sections: make([][]byte, len(o.sealed.Sections))}
		if err := t.leave(ds, h, o.left); err != nil {
			return err
		}
	}
	filled, places := held.Fill(o.sealed)
	_, dir, err := filled.Header()
	if err != nil {
		return fmt.Errorf("held batch %d: %w", pos, errDamaged)
	}
	changes := 0
	for i, section := range filled.Sections {
		if section != nil {
			changes += dir[i].Changes
		}
	}
	for _, i := range places {
		if _, err := t.Exec(`DELETE FROM sqlsync_left WHERE dataset_id = ? AND origin_id = ? AND seq = ? AND name = ?`,
			ds.id, origin, int64(h.Seq), schema.Fold(dir[i].Table)); err != nil {
			return err
		}
		if tab := t.cfg.byName[schema.Fold(dir[i].Table)]; tab != nil && tab.takes(ds) {
			if err := t.replayLater(tab, ds, pos); err != nil {
				return err
			}
		}
	}
	if left, err := filled.LeftOut(); err != nil {
		return err
	} else if i := slices.IndexFunc(left, ds.wanting); i >= 0 {
		return fmt.Errorf("%w: batch %d of %v came without table %s", wire.ErrGap, h.Seq, h.Origin, left[i])
	}
	if _, err := t.Exec(`UPDATE sqlsync_batch SET sealed = ?, changes = ? WHERE dataset_id = ? AND pos = ?`,
		filled.Append(nil), changes, ds.id, pos); err != nil {
		return fmt.Errorf("fill batch: %w", err)
	}
	t.s.trouble(giving(ds.name, h.Origin, h.Seq), nil)
	t.work.grown = true
	return nil
}

// hashOf is the hash of a held batch that is damaged, as the next batch tells it,
// zero where that is damaged as well.
func (t *tx) hashOf(ds *dataset, p prunable, blob []byte) (wire.Hash, error) {
	end, _, err := t.endWith(ds, p, blob)
	if err != nil || end.Seq != uint64(p.seq) {
		return wire.Hash{}, err
	}
	return end.hash, nil
}

// giveUp stops asking for what was left out of the batches that a snapshot
// stands for: whoever gave it does not keep them either. It reports whether
// there was any.
func (t *tx) giveUp(ds *dataset, origin int64, h wire.ChainHead) (bool, error) {
	n, err := t.Exec(`UPDATE sqlsync_left SET wanted = NULL WHERE dataset_id = ? AND origin_id = ? AND seq <= ? AND wanted = 1`, ds.id, origin, int64(h.Seq))
	return n > 0, err
}

// forgo notes the tables of a batch that is pruned which are not watched here,
// "" for those of batches that were never here.
func (t *tx) forgo(ds *dataset, origin int64, tables ...string) error {
	for _, name := range tables {
		if tab := t.cfg.byName[schema.Fold(name)]; tab != nil && tab.takes(ds) {
			continue
		}
		// One row is enough, whatever the batch.
		if _, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_left (dataset_id, origin_id, seq, name, wanted) VALUES (?, ?, 0, ?, NULL)`,
			ds.id, origin, schema.Fold(name)); err != nil {
			return fmt.Errorf("note what is pruned: %w", err)
		}
	}
	return nil
}

// forgone reports whether there may have been changes to a table that are not
// here and not to be had in batches.
func (t *tx) forgone(ds *dataset, table string) (bool, error) {
	n, err := t.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_left WHERE dataset_id = ? AND name IN (?, '') AND wanted IS NULL)`, ds.id, schema.Fold(table))
	return n > 0, err
}
