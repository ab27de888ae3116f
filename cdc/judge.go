package cdc

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sqlsync/schema"
	"sqlsync/wire"
)

// judge looks at keys again and says what is wrong with them. Rows, metadata
// and marks are written by the same transactions, so in one read transaction a
// row that differs and is not marked was written past the capture, however
// much is being written meanwhile.
func (t *tx) judge(tab *table, keys [][]wire.Value) ([]Finding, error) {
	marked, err := t.marked(tab, keys)
	if err != nil {
		return nil, fmt.Errorf("read marks of %s: %w", tab.name, err)
	}
	var list []Finding
	for i, key := range keys {
		metas, err := t.lookup(tab, keys[i:i+1])
		if errors.Is(err, errDamaged) {
			list = append(list, tab.finding(DamagedMeta, key, "its metadata cannot be read"))
			continue
		}
		if err != nil {
			return nil, err
		}
		if marked[i] {
			continue // the next seal compares it
		}
		f, err := t.judgeRow(tab, key, &metas[0])
		if err != nil {
			return nil, err
		}
		if f != nil {
			list = append(list, *f)
		}
	}
	return list, nil
}

// judgeRow returns nil where a row and its metadata agree.
func (t *tx) judgeRow(tab *table, key []wire.Value, m *meta) (*Finding, error) {
	values, err := t.readRow(tab, key)
	if err != nil {
		return nil, err
	}
	var f Finding
	switch here := values != nil; {
	case here && (!m.exists() || m.state == dead):
		if refused, err := t.isHeld(tab, m, heldRemove); err != nil || refused {
			return nil, err
		}
		f = tab.finding(UncapturedRow, key, "the row is in the table and its metadata does not know")
	case here && m.state == held:
		f = tab.finding(UncapturedRow, key, "the row is in the table and its metadata says that it is held")
	case here:
		columns, _ := tab.differences(values, m.hashes)
		if len(columns) == 0 {
			return nil, nil
		}
		f = tab.finding(DifferingRow, key, "differs in %s", tab.named(columns))
	case !m.exists() || m.state == dead:
		return nil, nil
	case m.state == held:
		if kept, err := t.isHeld(tab, m, heldUnique, heldRow); err != nil || kept {
			return nil, err
		}
		f = tab.finding(MissingHeld, key, "its metadata says that it is held, and nothing is")
	default:
		f = tab.finding(MissingRow, key, "its metadata is alive and the row is not in the table")
	}
	return &f, nil
}

// named lists the names of cells.
func (tab *table) named(cells []int) string {
	names := make([]string, len(cells))
	for i, c := range cells {
		names[i] = tab.cells[c].name
	}
	return strings.Join(names, ", ")
}

// isHeld reports whether something is held of a row for one of some reasons.
// Where equal keys can have other bytes, any row of the table counts.
func (t *tx) isHeld(tab *table, m *meta, kinds ...string) (is bool, err error) {
	if !m.exists() {
		return false, nil
	}
	id, exact := wire.AppendRow(nil, m.key), tab.def.ExactKey(tab.key)
	err = t.Query(func(row []any) error {
		stored, _ := row[0].([]byte)
		kind, _ := row[1].(string)
		is = is || (!exact || string(stored) == string(id)) && slices.Contains(kinds, kind)
		return nil
	}, `SELECT key, kind FROM sqlsync_held WHERE table_id = ?1 AND (key = ?2 OR ?3)`, tab.id, id, !exact)
	return is, err
}

// marked says which keys, by their places, are in the oplog. The oplog has no
// index: it is gone over once for many keys.
func (t *tx) marked(tab *table, keys [][]wire.Value) (map[int]bool, error) {
	some, err := t.Int(`SELECT EXISTS (SELECT 1 FROM `+tab.ds.oplog()+` WHERE table_id = ?)`, tab.id)
	if err != nil || some == 0 {
		return nil, err
	}
	marked := make(map[int]bool)
	from := 0
	for part := range parts(keys, len(tab.key)) {
		args := slices.Concat(slices.Concat(part...), []wire.Value{tab.id})
		err := t.Query(func(row []any) error {
			marked[from+int(row[0].(int64))] = true
			return nil
		}, tab.markedAmong(len(part)), args...)
		if err != nil {
			return nil, err
		}
		from += len(part)
	}
	return marked, nil
}

// markedAmong finds those of n keys that are marked. Marks have neither
// affinity nor collation, so the comparison says the key's.
func (q tableSQL) markedAmong(n int) string {
	k := len(q.t.key)
	var equal []string
	for i, c := range q.t.key {
		term := fmt.Sprintf("o.k%d = v.k%d", i, i)
		if collation := q.t.def.Columns[c].Collation; collation != "" {
			term += " COLLATE " + schema.Quote(collation)
		}
		equal = append(equal, term)
	}
	row := "(%d" + strings.Repeat(", ?", k) + ")"
	return `WITH v (i, ` + q.list("k%d", ", ", k) + `) AS (VALUES ` + q.list(row, ", ", n) + `) SELECT DISTINCT v.i FROM ` +
		q.t.ds.oplog() + ` AS o JOIN v ON ` + strings.Join(equal, " AND ") + ` WHERE o.table_id = ?`
}
