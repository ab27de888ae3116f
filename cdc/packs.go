package cdc

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"sqlsync/merge"
	"sqlsync/wire"
)

// The ranges of keys of a table's records do not overlap: what is within the range
// of a pack is in it or nowhere. So the metadata of a key is in one record, the last
// one at or before it, and whoever writes metadata of a key takes it out of its pack
// first, which makes two of it.

// mayPack reports whether the metadata may have packs: its keys are integers, but for
// those of a table that was rebuilt.
func (tab *table) mayPack() bool { return tab.integerMeta && len(tab.key) == 1 }

// packs reports whether packs are made. Rows that are found by their births are not
// packed.
func (tab *table) packs() bool { return tab.mayPack() && tab.integerKey() && !tab.localIDs() }

// readPack reads a pack from a record: its key and the columns that metaColumns names.
func (t *tx) readPack(row []any) (pack, error) {
	first, ok := row[0].(int64)
	birth, ok2 := row[1].(int64)
	origin, ok3 := row[2].(int64)
	last, ok4 := row[4].(int64)
	layout, ok5 := row[6].([]byte)
	body, ok6 := row[7].([]byte)
	if !ok || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 {
		return nil, fmt.Errorf("%w: a pack", errDamaged)
	}
	return readPack(first, last, birth, origin, layout, body)
}

// isPack reports whether a record is a pack.
func isPack(row []any) bool { return row[3] == int64(packed) }

// metaOf is the metadata of a row of a pack.
func (t *tx) metaOf(r *packedRow) (meta, error) {
	m := meta{hashes: r.hashes}
	node, ok := t.cfg.origins.node[r.origin]
	if !ok {
		return m, errDamaged
	}
	m.row.Birth = merge.Version{HLC: merge.HLC(r.birth), Origin: node}
	m.row.Latest = m.row.Birth
	return m, nil
}

// cutUp makes rows in the order of their keys packs of the right size.
func cutUp(rows pack) (list []pack) {
	for len(rows) > 0 {
		n := rows.cut()
		list = append(list, rows[:n])
		rows = rows[n:]
	}
	return list
}

// writePacks writes packs, and those of one row as a row.
func (t *tx) writePacks(tab *table, list []pack) error {
	for part := range parts(list, 7) {
		t.args = t.args[:0]
		for _, p := range part {
			var state, last, layout any
			if len(p) > 1 {
				state, last, layout = int64(packed), p.last(), p.layout()
			}
			t.args = append(t.args, p.first(), p[0].birth, p[0].origin, state, last, layout, p.body())
		}
		if _, err := t.Exec(tab.writePacks(len(part)), t.args...); err != nil {
			return fmt.Errorf("write metadata of %s: %w", tab.name, err)
		}
	}
	return nil
}

func (q tableSQL) writePacks(n int) string {
	return `INSERT OR REPLACE INTO ` + q.meta() + ` (k0, birth, birth_origin, state, version, cells, hashes) VALUES ` +
		strings.TrimSuffix(strings.Repeat(`(?, ?, ?, ?, ?, ?, ?), `, n), ", ")
}

// packFrom is from how many rows on new ones are packed at once. Fewer are when
// they are folded.
const packFrom = 4

// ascending is how many rows from the first on have integers for keys, each above
// the one before, and at least 1.
func ascending(list []remembered) int {
	last, ok := list[0].key[0].(int64)
	n := 1
	for ok && n < len(list) {
		id, is := list[n].key[0].(int64)
		if !is || id <= last {
			break
		}
		last = id
		n++
	}
	return n
}

// rememberPacked packs rows as they were born, in the order of their keys, if there are
// enough and nothing is between them.
func (t *tx) rememberPacked(tab *table, list []remembered) (bool, error) {
	if len(list) < packFrom {
		return false, nil
	}
	rows := make(pack, len(list))
	for i, r := range list {
		origin, err := t.origin(r.m.row.Birth.Origin)
		if err != nil {
			return false, err
		}
		rows[i] = packedRow{r.key[0].(int64), int64(r.m.row.Birth.HLC), origin, r.m.hashes}
	}
	if free, err := t.free(tab, rows); err != nil || !free {
		return false, err
	}
	return true, t.writePacks(tab, cutUp(rows))
}

// rememberLoose writes rows as they were born, a record each, which fold is to pack.
func (t *tx) rememberLoose(tab *table, list []remembered) error {
	if err := t.takeOut(tab, keysOf(list)); err != nil {
		return err
	}
	if id, ok := list[0].key[0].(int64); ok {
		if _, err := t.Exec(`UPDATE sqlsync_table SET folded = ?1 WHERE id = ?2 AND folded > ?1`, id, tab.id); err != nil {
			return fmt.Errorf("note what is to be packed: %w", err)
		}
	}
	return t.rememberBorn(tab, list)
}

func keysOf(list []remembered) [][]wire.Value {
	keys := make([][]wire.Value, len(list))
	for i, r := range list {
		keys[i] = r.key
	}
	return keys
}

// free reports whether no record is in or reaches into the range of rows, and the
// rows fill it well or nothing is behind it: what comes between the rows of a pack
// takes it apart.
func (t *tx) free(tab *table, rows pack) (bool, error) {
	behind := rows.last()
	if !dense(rows.first(), behind, len(rows)) {
		behind = math.MaxInt64
	}
	taken, err := t.Int(`SELECT EXISTS (SELECT 1 FROM `+tab.meta()+` WHERE k0 >= ?1 AND k0 <= ?2)
		OR coalesce((SELECT state = 3 AND version >= ?1 FROM `+tab.meta()+` WHERE k0 < ?1 ORDER BY k0 DESC LIMIT 1), 0)`, rows.first(), behind)
	if err != nil {
		return false, fmt.Errorf("read metadata of %s: %w", tab.name, err)
	}
	return taken == 0, nil
}

// dense reports whether n keys are so near to each other that it pays to read all
// records between the first and the last.
func dense(first, last int64, n int) bool { return uint64(last)-uint64(first) < 4*uint64(n) }

// cut is where a pack is taken apart: at a key that is taken out, or behind it.
type cut struct {
	at    int64
	exact bool
}

// takeOut takes keys out of the packs that they are in, and takes packs apart that
// they are within the range of.
func (t *tx) takeOut(tab *table, keys [][]wire.Value) error {
	if !tab.mayPack() {
		return nil
	}
	cuts, err := t.cuts(keys)
	if err != nil {
		return err
	}
	var packs []int64
	note := func(row []any) error {
		first, ok := row[0].(int64)
		if !ok {
			return errDamaged
		}
		packs = append(packs, first)
		return nil
	}
	for part := range parts(cuts, 1) {
		lo, hi := part[0].at, part[len(part)-1].at
		if dense(lo, hi, len(part)) {
			err = t.Query(note, tab.packsBetween(), lo, hi)
		} else {
			t.args = t.args[:0]
			for _, c := range part {
				t.args = append(t.args, c.at)
			}
			err = t.Query(note, tab.packsAt(len(part)), t.args...)
		}
		if err != nil {
			return fmt.Errorf("read metadata of %s: %w", tab.name, err)
		}
	}
	slices.Sort(packs)
	for _, first := range slices.Compact(packs) {
		if err := t.takeApart(tab, first, cuts); err != nil {
			return fmt.Errorf("metadata of %s: %w", tab.name, err)
		}
	}
	return nil
}

// cuts are those of keys, in their order: a key before what is behind it.
func (t *tx) cuts(keys [][]wire.Value) ([]cut, error) {
	list := make([]cut, 0, len(keys))
	for _, key := range keys {
		at, exact, err := t.floor(key[0])
		if err != nil {
			return nil, err
		}
		list = append(list, cut{at, exact})
	}
	slices.SortFunc(list, func(a, b cut) int {
		switch c := cmp.Compare(a.at, b.at); {
		case c != 0 || a.exact == b.exact:
			return c
		case a.exact:
			return -1
		}
		return 1
	})
	return list, nil
}

// floor is the greatest integer that is not above a value as SQLite compares it
// with an integer column, and whether it is equal. Where none is, it is the least.
func (t *tx) floor(v wire.Value) (id int64, equal bool, err error) {
	if id, ok := v.(int64); ok {
		return id, true, nil
	}
	ask := func(op string, id int64) bool {
		n := int64(0)
		if err == nil {
			n, err = t.Int(`SELECT CAST(?1 AS INTEGER) `+op+` ?2`, id, v)
		}
		return n != 0
	}
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	for lo < hi && err == nil {
		mid := hi - int64((uint64(hi)-uint64(lo))/2)
		if ask("<=", mid) {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo, ask("=", lo), err
}

// packsBetween reads the first keys of the packs that reach into a range, packsAt
// of those that n keys are within the range of.
func (q tableSQL) packsBetween() string {
	return `SELECT k0 FROM ` + q.meta() + ` WHERE k0 >= ` + q.recordAt("?1") + ` AND k0 <= ?2 AND state = 3 AND version >= ?1`
}

func (q tableSQL) packsAt(n int) string {
	return `WITH v (k0) AS (VALUES ` + strings.TrimSuffix(strings.Repeat("(?), ", n), ", ") + `) SELECT m.k0 FROM v CROSS JOIN ` + q.meta() +
		` AS m ON m.k0 = (SELECT max(k0) FROM ` + q.meta() + ` WHERE k0 <= v.k0) WHERE m.state = 3 AND m.version >= v.k0`
}

// recordAt is the key of the record that a key is in the range of, if it is of any.
func (q tableSQL) recordAt(key string) string {
	return `coalesce((SELECT max(k0) FROM ` + q.meta() + ` WHERE k0 <= ` + key + `), ` + key + `)`
}

// takeApart makes a pack those between the cuts.
func (t *tx) takeApart(tab *table, first int64, cuts []cut) error {
	var rest pack
	err := t.Query(func(row []any) (err error) {
		rest, err = t.readPack(row)
		return err
	}, `SELECT k0, `+metaColumns("")+` FROM `+tab.meta()+` WHERE k0 = ?`, first)
	if err != nil {
		return err
	}
	var pieces []pack
	whole, last := len(rest), rest.last()
	for i := sort.Search(len(cuts), func(i int) bool { return cuts[i].at >= first }); i < len(cuts) && cuts[i].at <= last && len(rest) > 0; i++ {
		c := cuts[i]
		n := sort.Search(len(rest), func(i int) bool { return rest[i].key > c.at || c.exact && rest[i].key == c.at })
		if n > 0 {
			pieces = append(pieces, rest[:n])
		}
		if rest = rest[n:]; c.exact && len(rest) > 0 && rest[0].key == c.at {
			rest = rest[1:]
		}
	}
	if len(rest) > 0 {
		pieces = append(pieces, rest)
	}
	if len(pieces) == 1 && len(pieces[0]) == whole {
		return nil
	}
	if len(pieces) == 0 || pieces[0].first() != first {
		if _, err := t.Exec(`DELETE FROM `+tab.meta()+` WHERE k0 = ?`, first); err != nil {
			return err
		}
	}
	return t.writePacks(tab, pieces)
}
