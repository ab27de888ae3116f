package cdc

import (
	"context"
	"fmt"
	"maps"
	"math"

	"sqlsync/wire"
)

// Rows that come few at a time have records of their own at first. Prune folds them
// into packs, and small packs into larger ones, from where it has come to on:
// sqlsync_table.folded is the key before which there was nothing to fold when it was
// there, lowered by whoever writes such a record before it.

// foldRecords is how many records one transaction looks at.
const foldRecords = 1000

// fold packs the metadata of the dataset's tables.
func (s *Store) fold(ctx context.Context, dataset string) error {
	at := make(map[int64]foldPlace)
	for more := true; more; {
		var next map[int64]foldPlace
		err := s.writeIn(ctx, dataset, func(t *tx) error {
			ds, err := t.dataset(dataset)
			if err != nil {
				return err
			}
			left, places := foldRecords, maps.Clone(at)
			for _, tab := range t.cfg.tables {
				if left <= 0 {
					break
				}
				if tab.ds.id != ds.id || tab.def == nil || !tab.packs() {
					continue
				}
				place, known := places[tab.id]
				if !known {
					if place, err = t.foldPlace(tab); err != nil {
						return err
					}
				}
				n, err := t.foldSome(tab, &place, left)
				if err != nil {
					return fmt.Errorf("pack metadata of %s: %w", tab.name, err)
				}
				places[tab.id] = place
				left -= n
			}
			more, next = left <= 0, places
			return nil
		})
		if err != nil {
			return err
		}
		at = next
	}
	return nil
}

// foldPlace is the key that fold has come to in a table, and what it has noted of
// that: nothing any more once that was lowered.
type foldPlace struct{ key, noted wire.Value }

func (t *tx) foldPlace(tab *table) (p foldPlace, err error) {
	p.key = int64(math.MinInt64)
	err = t.Query(func(row []any) error {
		if p.noted = row[0]; p.noted != nil {
			p.key = p.noted
		}
		return nil
	}, `SELECT folded FROM sqlsync_table WHERE id = ?`, tab.id)
	return p, err
}

// folding is a part of a table on its way into packs.
type folding struct {
	*tx
	tab *table
	// rows are those of records one behind the other, which are few or small.
	rows    pack
	records []wire.Value // their keys
	// next is the key of the last record that there is so far.
	next wire.Value
}

// foldSome looks at the next records of a table, at most so many, and returns how
// many there were but for the one it begins with.
func (t *tx) foldSome(tab *table, at *foldPlace, most int) (n int, err error) {
	type record struct {
		key  wire.Value
		rows pack
	}
	var list []record
	err = t.Query(func(row []any) error {
		list = append(list, record{row[0], t.foldable(row)})
		return nil
	}, `SELECT k0, `+metaColumns("")+` FROM `+tab.meta()+` WHERE k0 >= `+tab.recordAt("?1")+` ORDER BY k0 LIMIT ?2`, at.key, most+1)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	f := folding{tx: t, tab: tab, next: list[0].key}
	for _, r := range list {
		if r.rows == nil || len(f.rows) > 0 && len(f.rows[0].hashes) != len(r.rows[0].hashes) {
			if err := f.flush(); err != nil {
				return 0, err
			}
		}
		if r.rows == nil {
			f.next = r.key
			continue
		}
		f.rows, f.records = append(f.rows, r.rows...), append(f.records, r.key)
	}
	if err := f.flush(); err != nil {
		return 0, err
	}
	if _, err := t.Exec(`UPDATE sqlsync_table SET folded = ?1 WHERE id = ?2 AND folded IS ?3 AND folded IS NOT ?1`, f.next, tab.id, at.noted); err != nil {
		return 0, err
	}
	at.key, at.noted = f.next, f.next
	return len(list) - 1, nil
}

// foldable are the rows of a record as they were born, nil where it is none or a pack
// that is large enough.
func (t *tx) foldable(row []any) pack {
	if !isPack(row) {
		for _, v := range row[3:7] { // state, version, origin and cells
			if b, ok := v.([]byte); v != nil && (!ok || len(b) > 0) {
				return nil
			}
		}
		key, ok := row[0].(int64)
		birth, ok2 := row[1].(int64)
		origin, ok3 := row[2].(int64)
		if !ok || !ok2 || !ok3 {
			return nil
		}
		h, _ := row[7].([]byte)
		return pack{{key, birth, origin, h}}
	}
	p, err := t.readPack(row)
	if err != nil { // verify tells
		return nil
	}
	if len(p) > packRows/2 || len(p)*len(p[0].hashes) > packBytes/2 {
		return nil
	}
	return p
}

// flush writes what was gathered as packs, if they are fewer records.
func (f *folding) flush() error {
	if len(f.records) == 0 {
		return nil
	}
	f.next = f.records[len(f.records)-1]
	if list := cutUp(f.rows); len(list) < len(f.records) {
		if _, err := f.Exec(`DELETE FROM `+f.tab.meta()+` WHERE k0 BETWEEN ? AND ?`, f.records[0], f.next); err != nil {
			return err
		}
		if err := f.writePacks(f.tab, list); err != nil {
			return err
		}
		f.next = list[len(list)-1].first()
	}
	f.rows, f.records = nil, nil
	return nil
}
