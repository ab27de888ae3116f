package cdc

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"

	"sqlsync/wire"
)

// highest is a key that none with metadata is above.
func (t *tx) highest(tab *table) (int64, error) {
	highest := int64(math.MinInt64)
	err := t.Query(func(row []any) error {
		key := row[0]
		if isPack(row) {
			key = row[4]
		}
		var ok bool
		if highest, ok = key.(int64); !ok { // a table that was rebuilt may have had text in its key
			highest = math.MaxInt64
		}
		return nil
	}, `SELECT k0, birth, birth_origin, state, version FROM `+tab.meta()+` ORDER BY k0 DESC LIMIT 1`)
	return highest, err
}

// wantedKey is a key of which the metadata is wanted, as an integer, and its place.
type wantedKey struct {
	id    int64
	exact bool
	place int
}

// lookupPacked is lookup where there may be packs, of the keys at some places.
func (t *tx) lookupPacked(tab *table, keys [][]wire.Value, places []int, out []meta) error {
	wanted := make([]wantedKey, len(places))
	exact := true
	for i, place := range places {
		w := wantedKey{place: place}
		var err error
		if w.id, w.exact, err = t.floor(keys[place][0]); err != nil {
			return fmt.Errorf("read metadata of %s: %w", tab.name, err)
		}
		wanted[i] = w
		exact = exact && w.exact
	}
	slices.SortStableFunc(wanted, func(a, b wantedKey) int { return cmp.Compare(a.id, b.id) })
	for part := range parts(wanted, 1) {
		var err error
		if lo, hi := part[0].id, part[len(part)-1].id; exact && dense(lo, hi, len(part)) {
			err = t.Query(func(row []any) error {
				id, _ := row[0].(int64)
				first := sort.Search(len(part), func(i int) bool { return part[i].id >= id })
				return t.found(row, part[first:], out)
			}, tab.recordsBetween(), lo, hi)
		} else {
			t.args = t.args[:0]
			for _, w := range part {
				t.args = append(t.args, keys[w.place][0])
			}
			err = t.Query(func(row []any) error {
				i := row[0].(int64)
				return t.found(row[1:], part[i:i+1], out)
			}, tab.recordsAt(len(part)), t.args...)
		}
		if err != nil {
			return fmt.Errorf("read metadata of %s: %w", tab.name, err)
		}
	}
	return nil
}

// found notes the metadata of those keys, none below the record's, that a record is
// of.
func (t *tx) found(row []any, wanted []wantedKey, out []meta) (err error) {
	if !isPack(row) {
		id, whole := row[0].(int64)
		for i, w := range wanted {
			if whole != w.exact || whole && w.id != id {
				break
			}
			if i > 0 { // named twice
				row = slices.Clone(row)
				h, _ := row[metaWidth].([]byte)
				row[metaWidth] = slices.Clone(h)
			}
			m, err := t.readMeta(row[1:])
			if err != nil {
				return err
			}
			m.key = []wire.Value{row[0]}
			out[w.place] = m
		}
		return nil
	}
	p, err := t.readPack(row)
	if err != nil {
		return err
	}
	at := 0
	for i, w := range wanted {
		if w.id > p.last() {
			break
		}
		for p[at].key < w.id {
			at++
		}
		if p[at].key != w.id || !w.exact {
			continue
		}
		m, err := t.metaOf(&p[at])
		if err != nil {
			return err
		}
		if i > 0 && wanted[i-1].id == w.id {
			m.hashes = slices.Clone(m.hashes)
		}
		m.key = []wire.Value{w.id}
		out[w.place] = m
	}
	return nil
}

// recordsBetween reads the records of the keys in a range, and perhaps one before.
func (q tableSQL) recordsBetween() string {
	return `SELECT k0, ` + metaColumns("") + ` FROM ` + q.meta() + ` WHERE k0 >= ` + q.recordAt("?1") + ` AND k0 <= ?2 ORDER BY k0`
}

// recordsAt reads the records that n keys are in the range of, each with the place of
// the key.
func (q tableSQL) recordsAt(n int) string {
	return `WITH v (i, k0) AS (VALUES ` + q.list("(%d, ?)", ", ", n) + `) SELECT v.i, m.k0, ` + metaColumns("m.") + ` FROM v CROSS JOIN ` + q.meta() +
		` AS m ON m.k0 = (SELECT max(k0) FROM ` + q.meta() + ` WHERE k0 <= v.k0) WHERE m.k0 = v.k0 OR m.state = 3 AND m.version >= v.k0`
}

// records reads the records of a range of keys, behind from and up to to, nil for
// all, in the order of the key. look is given the key and the columns that
// metaColumns names of a row, or of a pack the rows in the range, or why it cannot be
// read; it must not use t.
func (t *tx) records(tab *table, from, to []wire.Value, look func(key []wire.Value, row []any, p pack, damaged error) error) error {
	k := len(tab.key)
	list := tab.list("k%d", ", ", k)
	terms, args := within(list, from, to)
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	below, above := true, false // whether lo is behind from, and nothing up to to
	if tab.mayPack() {
		var exact bool
		var err error
		if from != nil {
			if lo, exact, err = t.floor(from[0]); err != nil {
				return err
			}
			below = !exact && lo == math.MinInt64
			terms[0] = `k0 >= ` + tab.recordAt("?1") + ` AND (k0 > ?1 OR state = 3)`
		}
		if to != nil {
			if hi, exact, err = t.floor(to[0]); err != nil {
				return err
			}
			above = !exact && hi == math.MinInt64
		}
	}
	return t.Query(func(row []any) error {
		if !tab.mayPack() || !isPack(row) {
			return look(row[:k], row[k:], nil, nil)
		}
		p, err := t.readPack(row)
		if err != nil {
			return look(row[:k], row[k:], nil, err)
		}
		first := sort.Search(len(p), func(i int) bool { return p[i].key > lo || below })
		end := sort.Search(len(p), func(i int) bool { return p[i].key > hi || above })
		if first >= end {
			return nil
		}
		return look(row[:k], row[k:], p[first:end], nil)
	}, `SELECT `+list+`, `+metaColumns("")+` FROM `+tab.meta()+all(terms)+` ORDER BY `+list, args...)
}

// metas reads the metadata of a range of keys as records does. The key is look's for
// the length of the call.
func (t *tx) metas(tab *table, from, to []wire.Value, look func(key []wire.Value, m *meta) error) error {
	return t.records(tab, from, to, func(key []wire.Value, row []any, p pack, damaged error) error {
		if damaged != nil {
			return damaged
		}
		if p == nil {
			m, err := t.readMeta(row)
			if err != nil {
				return err
			}
			return look(key, &m)
		}
		for i := range p {
			m, err := t.metaOf(&p[i])
			if err != nil {
				return err
			}
			key[0] = p[i].key
			if err := look(key, &m); err != nil {
				return err
			}
		}
		return nil
	})
}
