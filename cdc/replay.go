package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/schema"
	"sqlsync/wire"
)

// Batches are held whole, whatever is watched here. When a table comes to be
// watched, or stops waiting, its sections in held batches are merged then. To
// merge a section twice, or late, changes nothing: the rules of package merge
// do not depend on the order.

// replayLater notes that the changes to a table begin to wait at a batch.
func (t *tx) replayLater(tab *table, ds *dataset, pos int64) error {
	if late := tab.late(ds); late != 0 && late <= pos {
		return nil
	}
	return t.replayFrom(tab, ds, pos)
}

// replayFrom notes from where on a table's changes in a dataset wait, 0 for none.
func (t *tx) replayFrom(tab *table, ds *dataset, pos int64) error {
	if f := tab.formerly(ds); f != nil {
		f.replayFrom = pos
		_, err := t.Exec(`UPDATE sqlsync_moved SET replay_from = ? WHERE table_id = ? AND dataset_id = ?`, orNull(pos), tab.id, ds.id)
		return err
	}
	tab.replayFrom = pos
	_, err := t.Exec(`UPDATE sqlsync_table SET replay_from = ? WHERE id = ?`, orNull(pos), tab.id)
	return err
}

// late reports whether a table that no longer waits has changes that do.
func (t *tx) late(ds *dataset) (bool, error) {
	for _, tab := range t.cfg.tables {
		if ready, err := t.replayable(tab, ds); err != nil || ready {
			return ready, err
		}
	}
	return false, nil
}

// replayable reports whether a table has changes of a dataset that wait and need
// not any more: those before them that are wanted have come.
func (t *tx) replayable(tab *table, ds *dataset) (bool, error) {
	if tab.waiting != "" || tab.late(ds) == 0 {
		return false, nil
	}
	gap, err := t.unfilled(tab, ds)
	return !gap, err
}

// replay merges what waits for the tables of a dataset that no longer wait, a
// group of batches to a transaction.
func (s *Store) replay(ctx context.Context, dataset string) error {
	for more := true; more; {
		err := s.writeIn(ctx, dataset, func(t *tx) error {
			more = false
			ended := false
			ds, err := t.dataset(dataset)
			if err != nil {
				return err
			}
			if left, err := t.sealSome(ds); err != nil || left {
				more = left
				return err
			}
			for _, tab := range t.cfg.tables {
				if ready, err := t.replayable(tab, ds); err != nil {
					return err
				} else if !ready {
					continue
				}
				if err := t.replaySome(tab, ds); err != nil {
					return fmt.Errorf("replay %s: %w", tab.name, err)
				}
				more = more || tab.late(ds) != 0
				ended = ended || tab.late(ds) == 0 && len(tab.arrivals) > 0
			}
			if err := t.retryAll(ds); err != nil || !ended {
				return err
			}
			return t.changed() // more can be told of what has arrived
		})
		if err != nil {
			return err
		}
	}
	return s.mend(ctx, dataset)
}

// retryAll tries to put back the held rows of a dataset: a schema that has
// changed may have room for them.
func (t *tx) retryAll(ds *dataset) error {
	for _, tab := range t.cfg.tables {
		if tab.ds.id != ds.id || tab.def == nil || tab.waiting != "" {
			continue
		}
		if err := t.retryHeld(tab); err != nil {
			return err
		}
	}
	return t.finishMerge()
}

// replaySome merges the next batches that wait for a table and moves
// replay_from behind them, to NULL at the end.
func (t *tx) replaySome(tab *table, ds *dataset) error {
	tab.backTo = 0
	next, damaged, err := t.eachSection(tab, ds, tab.late(ds), groupChanges, func(pos int64, h *wire.Header, sec *wire.Section) error {
		if h.Origin == t.author.Node && len(tab.landing) == 0 { // it is in the rows, but for a column that was another
			return nil
		}
		if !tab.keyFits(sec) {
			return t.skipOrAwaitKey(tab, ds, pos, h, sec)
		}
		return t.mergeSection(tab, ds, pos, h, sec)
	})
	if damaged { // what it said of the table is to be had as rows
		if err := t.need(tab); err != nil {
			return err
		}
	}
	if errors.Is(err, errAwaits) {
		return t.finishMerge()
	}
	if err == nil {
		err = t.finishMerge()
	}
	if err != nil {
		return err
	}
	if tab.backTo > 0 && (next == 0 || tab.backTo < next) {
		next = tab.backTo
	}
	if err := t.replayFrom(tab, ds, next); err != nil || next != 0 || ds.id != tab.ds.id {
		return err
	}
	return t.landed(tab)
}

// rebuild makes the metadata of a table that was watched before out of the
// held batches, without touching its rows, and marks every key: what its
// application changed while it was not watched is then sealed like any
// difference. What peers sent meanwhile is in no row yet and is left to a
// replay after that. Rows that were held stay held.
// A table whose key is another now begins with a baseline.
func (t *tx) rebuild(tab *table) error {
	fits, broken := false, false
	for pos := int64(1); pos != 0; {
		var damaged bool
		var err error
		pos, damaged, err = t.eachSection(tab, tab.ds, pos, groupChanges, func(pos int64, h *wire.Header, sec *wire.Section) error {
			if !tab.keyFits(sec) || !t.mine(h.Origin) && tab.replayFrom != 0 && pos >= tab.replayFrom {
				return nil
			}
			fits = true
			a, err := t.newApplier(tab, tab.ds, pos, h, sec)
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
		broken = broken || damaged
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
	if pruned, err := t.pruned(tab.ds); err != nil {
		return err
	} else if pruned || broken || len(tab.formers) > 0 { // what it was is not told any more, or elsewhere
		fits = false
	}
	if !fits {
		return t.markAll(tab, opBaseline)
	}
	return t.markAll(tab, opCheck)
}

// eachSection calls fn for the table's section in every held batch from pos on
// until about limit changes were seen. It returns the place of the next batch,
// 0 if there is none. A batch that is damaged is passed over, as if it had been
// pruned.
func (t *tx) eachSection(tab *table, ds *dataset, pos int64, limit int, fn func(int64, *wire.Header, *wire.Section) error) (next int64, damaged bool, err error) {
	for seen := 0; seen < limit; {
		var blob []byte
		if err := t.Query(func(row []any) error {
			pos, blob = row[0].(int64), row[1].([]byte)
			return sqlconn.Stop
		}, `SELECT pos, sealed FROM sqlsync_batch WHERE dataset_id = ? AND pos >= ? ORDER BY pos LIMIT 1`, ds.id, pos); err != nil {
			return 0, damaged, err
		}
		if blob == nil {
			return 0, damaged, nil
		}
		sealed, err := t.s.parseHeld(blob)
		if err != nil {
			damaged = true
			seen++
			pos++
			continue
		}
		if sealed, err = t.s.revealed(sealed); err != nil {
			return 0, damaged, fmt.Errorf("held batch %d: %w", pos, err)
		}
		h, heads, err := sealed.Header()
		if err != nil {
			return 0, damaged, fmt.Errorf("held batch %d: %w", pos, err)
		}
		for i, head := range heads {
			if !schema.Same(head.Table, tab.name) || sealed.Sections[i] == nil {
				continue
			}
			sec, err := sealed.OpenSection(i, wire.Limits{})
			if err != nil {
				return 0, damaged, fmt.Errorf("held batch %d: %w", pos, err)
			}
			if err := fn(pos, &h, sec); err != nil {
				return 0, damaged, err
			}
			seen += len(sec.Changes)
		}
		seen++
		pos++
	}
	return pos, damaged, nil
}
