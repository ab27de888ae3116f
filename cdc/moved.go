package cdc

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// A table that is moved keeps its metadata, so that its rows are what they were
// on every node, moved there or not. What nodes write that have not moved it
// comes in the dataset where it was, and is merged from there; what those write
// that have is held until it is moved here. Datasets do not wait for each other,
// so a change may come before the row that it is to: it is merged again when
// something has come in another of the table's datasets.

// movedFor is for how long changes in a former dataset are merged.
const movedFor = DefaultMaxOffline

// movedWithin is for how long after a move authors count as having seen what
// they had in the former dataset: whoever moves a table later may have its
// changes listed as conflicts that were seen.
const movedWithin = time.Hour

// former is a dataset that a table was in.
type former struct {
	ds *dataset
	at merge.HLC
	// See sqlsync_moved.
	replayFrom, orphan, orphanNow int64
	came                          bool
}

// formerly returns what is known of a dataset that the table was in, nil if it
// was not.
func (tab *table) formerly(ds *dataset) *former {
	for i := range tab.formers {
		if tab.formers[i].ds.id == ds.id {
			return &tab.formers[i]
		}
	}
	return nil
}

// takes reports whether changes of the table are merged that come in a dataset.
func (tab *table) takes(ds *dataset) bool { return tab.ds.id == ds.id || tab.formerly(ds) != nil }

// sources are the datasets from which changes of the table are merged.
func (tab *table) sources() []*dataset {
	list := []*dataset{tab.ds}
	for i := range tab.formers {
		list = append(list, tab.formers[i].ds)
	}
	return list
}

// late is the place of the dataset's first batch with changes that wait, 0 for
// none.
func (tab *table) late(ds *dataset) int64 {
	if tab.ds.id == ds.id {
		return tab.replayFrom
	}
	if f := tab.formerly(ds); f != nil {
		return f.replayFrom
	}
	return 0
}

func (t *tx) readFormers(tab *table) error {
	return t.Query(func(row []any) error {
		f := former{at: merge.HLC(row[1].(int64))}
		f.replayFrom, _ = row[2].(int64)
		f.orphan, _ = row[3].(int64)
		f.orphanNow, _ = row[4].(int64)
		f.came = row[5] == int64(1)
		for _, d := range t.cfg.datasets {
			if d.id == row[0].(int64) && t.now.Sub(f.at.Time()) < movedFor {
				f.ds = d
				tab.formers = append(tab.formers, f)
			}
		}
		return nil
	}, `SELECT dataset_id, at, replay_from, orphan, orphan_now, came FROM sqlsync_moved WHERE table_id = ? ORDER BY dataset_id`, tab.id)
}

// moveTo puts a table into another dataset. Everything is sealed where it was.
func (t *tx) moveTo(tab *table, to string) error {
	settled, err := t.Int(`SELECT replay_from IS NULL AND needs IS NULL FROM sqlsync_table WHERE id = ?`, tab.id)
	if err != nil {
		return err
	}
	gap, err := t.unfilled(tab, tab.ds)
	if err != nil {
		return err
	}
	if tab.waiting != "" || settled == 0 || gap {
		return &schema.Refusal{Table: tab.name, Cause: "it is in dataset " + tab.ds.name + " and waits for something there",
			Remedy: "sqlsync status says for what; move it when it waits no more"}
	}
	ds, err := t.dataset(to)
	if errors.Is(err, ErrNoDataset) {
		ds, err = t.addDataset(to)
	}
	if err != nil {
		return err
	}
	if err := t.canSeal(ds); err != nil {
		return err
	}
	if err := t.widen(ds, len(tab.key)); err != nil {
		return err
	}
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{`UPDATE sqlsync_table SET dataset_id = ?1, fresh_from = NULL, replay_from = (SELECT min(pos) FROM sqlsync_batch WHERE dataset_id = ?1) WHERE id = ?2`, []any{ds.id, tab.id}},
		{`UPDATE sqlsync_moved SET orphan_now = NULL WHERE table_id = ?`, []any{tab.id}},
		{`DELETE FROM sqlsync_moved WHERE table_id = ? AND dataset_id = ?`, []any{tab.id, ds.id}},
		{`INSERT OR REPLACE INTO sqlsync_moved (table_id, dataset_id, at, orphan) VALUES (?1, ?2, ?3, (SELECT min(pos) FROM sqlsync_lack WHERE table_id = ?1 AND pos > 0))`,
			[]any{tab.id, tab.ds.id, int64(t.clock.Next(merge.At(t.now)))}},
		// What came for columns that are not here is in both from now on.
		{`UPDATE sqlsync_lack SET pos = coalesce((SELECT min(pos) FROM sqlsync_batch WHERE dataset_id = ?1), (SELECT pos + 1 FROM sqlsync_dataset WHERE id = ?1))
			WHERE table_id = ?2 AND pos > 0`, []any{ds.id, tab.id}},
	} {
		if _, err := t.Exec(q.sql, q.args...); err != nil {
			return fmt.Errorf("move table: %w", err)
		}
	}
	if err := t.moveArrivals(tab, ds); err != nil {
		return err
	}
	moved := *tab
	moved.ds = ds
	if err := t.capture(&moved); err != nil {
		return err
	}
	return t.changed()
}

// orphaned notes that a change to the table came in a dataset before the row
// that it is to, or with a column that is not here.
func (t *tx) orphaned(tab *table, ds *dataset, pos int64) error {
	if len(tab.formers) == 0 || pos == 0 {
		return nil
	}
	column, at := "orphan", tab.formerly(ds)
	if at == nil {
		column, at = "orphan_now", &tab.formers[0]
	}
	place := &at.orphan
	if column == "orphan_now" {
		place = &at.orphanNow
	}
	if *place != 0 && *place <= pos {
		return nil
	}
	*place = pos
	_, err := t.Exec(`UPDATE sqlsync_moved SET `+column+` = ? WHERE table_id = ? AND dataset_id = ?`, pos, tab.id, at.ds.id)
	return err
}

// adoptOrphans has what came too early merged again, after something has come
// in another dataset, nil for any.
func (t *tx) adoptOrphans(tab *table, came *dataset) error {
	for i := range tab.formers {
		f := &tab.formers[i]
		if f.orphan != 0 && (came == nil || came.id != f.ds.id) {
			if err := t.replayLater(tab, f.ds, f.orphan); err != nil {
				return err
			}
			f.orphan = 0
		}
		if f.orphanNow != 0 && (came == nil || came.id != tab.ds.id) {
			if err := t.replayLater(tab, tab.ds, f.orphanNow); err != nil {
				return err
			}
			f.orphanNow = 0
		}
		if _, err := t.Exec(`UPDATE sqlsync_moved SET orphan = ?, orphan_now = ? WHERE table_id = ? AND dataset_id = ?`,
			orNull(f.orphan), orNull(f.orphanNow), tab.id, f.ds.id); err != nil {
			return err
		}
	}
	return nil
}

// joinHorizons adds what this node has seen of moved tables where they were.
func (t *tx) joinHorizons(own []wire.Horizon, tables []*table) ([]wire.Horizon, error) {
	done := make(map[int64]bool)
	for _, tab := range tables {
		for i := range tab.formers {
			f := &tab.formers[i]
			if done[f.ds.id] {
				continue
			}
			done[f.ds.id] = true
			chains, err := t.chains(f.ds)
			if err != nil {
				return nil, err
			}
			until := merge.At(f.at.Time().Add(movedWithin))
			gap, err := t.gapIn(f.ds, chains, tables)
			if err != nil {
				return nil, err
			}
			for _, h := range chains.horizons(t.author.Node, gap) {
				h.HLC = min(h.HLC, until)
				if k := slices.IndexFunc(own, func(o wire.Horizon) bool { return o.Origin == h.Origin }); k >= 0 {
					own[k].HLC = max(own[k].HLC, h.HLC)
				} else {
					own = append(own, h)
				}
			}
		}
	}
	return own, nil
}

// lateElsewhere lists the other datasets that have something to be merged again.
func (t *tx) lateElsewhere(ds *dataset) (names []string, err error) {
	for _, d := range t.cfg.datasets {
		if d.id == ds.id {
			continue
		}
		late, err := t.late(d)
		if err != nil {
			return nil, err
		}
		if late {
			names = append(names, d.name)
		}
	}
	return names, nil
}
