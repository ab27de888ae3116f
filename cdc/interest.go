package cdc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// Interest is per table. A node that passes batches on, having a remote it
// takes from and another it gives to, asks for all of them: what its remotes
// want is theirs to say, and they may come to want more. Others ask for the
// tables that they watch.
//
// Interest grows when a table is watched or a node begins to pass on. Batches
// that are held then lack sections which are wanted now. Until they are here,
// peers are told of a chain up to the first such batch only, as if the rest
// were not held; so they send it again, and its missing sections are put in.

// readInterest finds what each dataset asks for, and which sections of held
// batches are wanted by that.
func (t *tx) readInterest() error {
	for _, ds := range t.cfg.datasets {
		passes, err := t.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_remote AS a JOIN sqlsync_remote AS b ON b.id <> a.id
			WHERE a.pull AND b.push AND (a.datasets IS NULL OR instr(a.datasets, ?1)) AND (b.datasets IS NULL OR instr(b.datasets, ?1)))`, jsonText(ds.name))
		if err != nil {
			return fmt.Errorf("read interest: %w", err)
		}
		ds.wants = nil
		if passes == 0 {
			ds.wants = t.watchedIn(ds)
		}
		if err := t.noteInterest(ds); err != nil {
			return fmt.Errorf("note interest in %s: %w", ds.name, err)
		}
	}
	return nil
}

// watchedIn lists a dataset's tables as Hello does.
func (t *tx) watchedIn(ds *dataset) []string {
	names := []string{}
	for _, tab := range t.cfg.tables {
		if tab.ds.id == ds.id {
			names = append(names, schema.Fold(tab.name))
		}
	}
	slices.Sort(names)
	return names
}

// wanting reports whether a table is asked for.
func (d *dataset) wanting(table string) bool {
	if d.wants == nil {
		return true
	}
	_, ok := slices.BinarySearch(d.wants, schema.Fold(table))
	return ok
}

// noteInterest keeps what is asked for, if that is news.
func (t *tx) noteInterest(ds *dataset) error {
	var text any
	if ds.wants != nil {
		b, err := json.Marshal(ds.wants)
		if err != nil {
			return err
		}
		text = string(b)
	}
	n, err := t.Exec(`UPDATE sqlsync_dataset SET interest = ?1 WHERE id = ?2 AND interest IS NOT ?1`, text, ds.id)
	if err != nil || n == 0 {
		return err
	}
	t.work.grown = true
	if ds.wants == nil {
		_, err = t.Exec(`UPDATE sqlsync_left SET wanted = 1 WHERE dataset_id = ? AND wanted = 0`, ds.id)
		return err
	}
	if _, err := t.Exec(`UPDATE sqlsync_left SET wanted = 0 WHERE dataset_id = ? AND wanted = 1`, ds.id); err != nil {
		return err
	}
	for _, name := range ds.wants {
		if _, err := t.Exec(`UPDATE sqlsync_left SET wanted = 1 WHERE dataset_id = ? AND name = ? AND wanted = 0`, ds.id, name); err != nil {
			return err
		}
	}
	return nil
}

// Interest lists the tables that peers are asked for, in lower case and
// ascending, nil for all. held is how far chains are here at least in part, where
// that is further than Vector says.
func (d *Stream) Interest(ctx context.Context) (wants []string, held merge.Vector, err error) {
	err = d.s.look(ctx, func(t *tx) error {
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		wants, held = slices.Clone(ds.wants), nil
		chains, err := t.chains(ds)
		if err != nil || !chains.haveGap() {
			return err
		}
		held = make(merge.Vector)
		for origin, c := range chains {
			if c.gap > 0 {
				held[origin] = c.Position
			}
		}
		return nil
	})
	return wants, held, err
}

// narrow leaves the sections of tables out that are not wanted, and says which
// that is wanted is not here.
func narrow(h *wire.Held, wants []string) error {
	left, err := h.Sealed.LeftOut()
	if err != nil {
		return errDamaged
	}
	to := &dataset{wants: wants}
	if i := slices.IndexFunc(left, to.wanting); i >= 0 {
		h.Lacks = left[i]
	}
	if wants == nil {
		return nil
	}
	if h.Sealed, err = h.Sealed.Without(to.wanting); err != nil {
		return errDamaged
	}
	return nil
}

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
		case h.Origin == t.s.node && tab != nil:
			if err := t.need(tab); err != nil {
				return err
			}
			continue
		case h.Origin == t.s.node:
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

// unfilled counts the sections of a table that are wanted and not here.
func (t *tx) unfilled(tab *table) (int64, error) {
	return t.Int(`SELECT count(*) FROM sqlsync_left WHERE dataset_id = ? AND wanted AND name = ?`, tab.ds.id, schema.Fold(tab.name))
}

// gapIn reports whether one of some tables has such sections.
func (t *tx) gapIn(c chains, ids []int64) (bool, error) {
	if !c.haveGap() {
		return false, nil
	}
	for _, id := range ids {
		if n, err := t.unfilled(t.cfg.byID[id]); err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}

// fill puts the sections into a held batch that are wanted of it and came now.
// They are merged when the table has all of them, in the order in which the
// batches came to be held: that is causal, and the order in which they come now
// need not be. Most batches that come again lack none.
func (t *tx) fill(ds *dataset, o *opened) error {
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
	held, err := wire.ParseSealed(blob)
	switch {
	case err != nil:
		return fmt.Errorf("held batch %d: %w", pos, errDamaged)
	case held.Hash() != o.sealed.Hash():
		return fmt.Errorf("%w: batch %d of %v is not the one held here: the database of its origin was put back from a backup or copied", wire.ErrInvalid, h.Seq, h.Origin)
	}
	filled, places := held.Fill(o.sealed)
	_, dir, err := filled.Header()
	if err != nil {
		return fmt.Errorf("held batch %d: %w", pos, errDamaged)
	}
	changes := 0
	for _, i := range places {
		changes += dir[i].Changes
		if _, err := t.Exec(`DELETE FROM sqlsync_left WHERE dataset_id = ? AND origin_id = ? AND seq = ? AND name = ?`,
			ds.id, origin, int64(h.Seq), schema.Fold(dir[i].Table)); err != nil {
			return err
		}
		if tab := t.cfg.byName[schema.Fold(dir[i].Table)]; tab != nil && tab.ds.id == ds.id {
			if err := t.replayLater(tab, pos); err != nil {
				return err
			}
		}
	}
	if left, err := filled.LeftOut(); err != nil {
		return err
	} else if i := slices.IndexFunc(left, ds.wanting); i >= 0 {
		return fmt.Errorf("%w: batch %d of %v came without table %s", wire.ErrGap, h.Seq, h.Origin, left[i])
	}
	if _, err := t.Exec(`UPDATE sqlsync_batch SET sealed = ?, changes = changes + ? WHERE dataset_id = ? AND pos = ?`,
		filled.Append(nil), changes, ds.id, pos); err != nil {
		return fmt.Errorf("fill batch: %w", err)
	}
	t.work.grown = true
	return nil
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
		if tab := t.cfg.byName[schema.Fold(name)]; tab != nil && tab.ds.id == ds.id {
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
