package cdc

import (
	"context"
	"fmt"
	"slices"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/wire"
)

// Batches are held whole, whatever is watched here. When a table comes to be
// watched, or stops waiting, its sections in held batches are merged then. To
// merge a section twice, or late, changes nothing: the rules of package merge
// do not depend on the order.

// replayLater notes that the changes to a table begin to wait at a batch.
func (t *tx) replayLater(tab *table, pos int64) error {
	if tab.replayFrom != 0 && tab.replayFrom <= pos {
		return nil
	}
	tab.replayFrom = pos
	_, err := t.Exec(`UPDATE sqlsync_table SET replay_from = ? WHERE id = ?`, pos, tab.id)
	return err
}

// late reports whether a table that no longer waits has changes that do.
func (t *tx) late(ds *dataset) bool {
	return slices.ContainsFunc(t.cfg.tables, func(tab *table) bool {
		return tab.ds.id == ds.id && tab.waiting == "" && tab.replayFrom != 0
	})
}

// replay merges what waits for the tables of a dataset that no longer wait, a
// group of batches to a transaction.
func (s *Store) replay(ctx context.Context, dataset string) error {
	for more := true; more; {
		err := s.write(ctx, func(t *tx) error {
			more = false
			ds, err := t.dataset(dataset)
			if err != nil {
				return err
			}
			if left, err := t.seal(ds); err != nil || left {
				more = left
				return err
			}
			for _, tab := range t.cfg.tables {
				if tab.ds.id != ds.id || tab.waiting != "" || tab.replayFrom == 0 {
					continue
				}
				if err := t.replaySome(tab); err != nil {
					return fmt.Errorf("replay %s: %w", tab.name, err)
				}
				more = more || tab.replayFrom != 0
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// replaySome merges the next batches that wait for a table and moves
// replay_from behind them, to NULL at the end.
func (t *tx) replaySome(tab *table) error {
	next, err := t.eachSection(tab, tab.replayFrom, groupChanges, func(h *wire.Header, sec *wire.Section) error {
		if h.Origin == t.s.node {
			return nil
		}
		return t.mergeSection(tab, h, sec)
	})
	if err != nil {
		return err
	}
	var from any
	if tab.replayFrom = next; next != 0 {
		from = next
	}
	_, err = t.Exec(`UPDATE sqlsync_table SET replay_from = ? WHERE id = ?`, from, tab.id)
	return err
}

// rebuild makes the metadata of a table that was watched before out of the
// held batches, without touching its rows, and marks every key: what changed
// while it was not watched is then sealed like any difference. Rows that were
// held stay held.
func (t *tx) rebuild(tab *table) error {
	for pos := int64(1); pos != 0; {
		var err error
		pos, err = t.eachSection(tab, pos, groupChanges, func(h *wire.Header, sec *wire.Section) error {
			a, err := t.newApplier(tab, h, sec)
			if err != nil {
				return err
			}
			a.metaOnly = true
			for part := range slices.Chunk(sec.Changes, applyChunk) {
				if err := a.apply(part); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	items, err := t.readHeld(tab)
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.m.exists() && it.m.state == alive {
			it.m.state = held
			if err := t.remember(tab, []remembered{{it.key, &it.m}}); err != nil {
				return err
			}
		}
	}
	return t.markAll(tab, opCheck)
}

// eachSection calls fn for the table's section in every held batch from pos on
// until about limit changes were seen. It returns the place of the next batch,
// 0 if there is none.
func (t *tx) eachSection(tab *table, pos int64, limit int, fn func(*wire.Header, *wire.Section) error) (next int64, err error) {
	for seen := 0; seen < limit; {
		var blob []byte
		if err := t.Query(func(row []any) error {
			pos, blob = row[0].(int64), row[1].([]byte)
			return sqlconn.Stop
		}, `SELECT pos, sealed FROM sqlsync_batch WHERE dataset_id = ? AND pos >= ? ORDER BY pos LIMIT 1`, tab.ds.id, pos); err != nil {
			return 0, err
		}
		if blob == nil {
			return 0, nil
		}
		sealed, err := wire.ParseSealed(blob)
		if err != nil {
			return 0, fmt.Errorf("held batch %d: %w", pos, errDamaged)
		}
		h, heads, err := sealed.Header()
		if err != nil {
			return 0, fmt.Errorf("held batch %d: %w", pos, errDamaged)
		}
		for i, head := range heads {
			if !equalNames(head.Table, tab.name) || sealed.Sections[i] == nil {
				continue
			}
			sec, err := sealed.OpenSection(i, wire.Limits{})
			if err != nil {
				return 0, fmt.Errorf("held batch %d: %w", pos, err)
			}
			if err := fn(&h, sec); err != nil {
				return 0, err
			}
			seen += len(sec.Changes)
		}
		seen++
		pos++
	}
	return pos, nil
}
