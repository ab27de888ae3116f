package cdc

import (
	"fmt"
	"strings"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/schema"
	"sqlsync/wire"
)

// verifyKeys is how many keys are read in one transaction.
const verifyKeys = 2000

// sweep is how far the comparison of a table with its metadata has come. It
// goes over the rows first and then over the metadata, each in the order of
// the key.
type sweep struct {
	table int64
	// inMeta says that the rows are done.
	inMeta bool
	// after is the last key that was read, nil at the beginning.
	after []wire.Value
}

// span is one range of keys that was read.
type span struct {
	rows int
	// suspects are the keys that seem to differ.
	suspects [][]wire.Value
	// done says that the table has come to its end.
	done bool
}

// next reads the next range of keys and moves the sweep behind it.
func (t *tx) next(tab *table, sw *sweep, keys int) (span, error) {
	read := t.rowsAfter
	if sw.inMeta {
		read = t.metaAfter
	}
	sp, last, err := read(tab, sw.after, keys)
	if err != nil {
		return span{}, fmt.Errorf("compare %s: %w", tab.name, err)
	}
	switch sw.after = last; {
	case last == nil && sw.inMeta:
		sp.done = true
	case last == nil:
		sw.inMeta = true
	}
	return sp, nil
}

// rowsAfter compares rows with their metadata. It ends early where rows are
// large. last is nil where no row is left.
func (t *tx) rowsAfter(tab *table, after []wire.Value, keys int) (sp span, last []wire.Value, err error) {
	k := len(tab.key)
	size, full := 0, false
	err = t.Query(func(row []any) error {
		sp.rows++
		key, values := row[metaWidth:metaWidth+k], row[metaWidth+k:]
		suspect := t.suspect(tab, row[:metaWidth], values)
		for _, v := range row[metaWidth:] {
			size += sizeOf(v)
		}
		if full = sp.rows == keys || size > sealBytes; suspect || full {
			key = append([]wire.Value(nil), key...)
		}
		if suspect {
			sp.suspects = append(sp.suspects, key)
		}
		if full {
			last = key
			return sqlconn.Stop
		}
		return nil
	}, tab.verifyRows(after != nil), append(after[:len(after):len(after)], keys)...)
	return sp, last, err
}

// suspect reports whether a row seems to differ from its metadata.
func (t *tx) suspect(tab *table, stored []any, values []wire.Value) bool {
	m, err := t.readMeta(stored)
	if err != nil || !m.exists() || m.state != alive {
		return true
	}
	differ, _, _ := tab.differences(values, m.hashes)
	return len(differ) > 0
}

// metaAfter looks for metadata without a row.
func (t *tx) metaAfter(tab *table, after []wire.Value, keys int) (sp span, last []wire.Value, err error) {
	k := len(tab.key)
	n := 0
	err = t.Query(func(row []any) error {
		n++
		s, _ := row[0].(int64)
		here, _ := row[1].(int64)
		suspect := state(s) == alive && here == 0 || state(s) == held
		key := row[2 : 2+k]
		if suspect || n == keys {
			key = append([]wire.Value(nil), key...)
		}
		if suspect {
			sp.suspects = append(sp.suspects, key)
		}
		if n == keys {
			last = key
		}
		return nil
	}, tab.verifyMeta(after != nil), append(after[:len(after):len(after)], keys)...)
	return sp, last, err
}

// verifyRows reads rows in the order of the key, with their metadata.
func (q tableSQL) verifyRows(after bool) string {
	where := q.notNull("t.")
	if after {
		where = append(where, `(`+q.keyList("t.")+`) > (`+strings.Repeat(", ?", len(q.t.key))[2:]+`)`)
	}
	return `SELECT ` + metaColumns("m.") + `, ` + q.keyList("+t.") + q.cellList("+t.") +
		` FROM main.` + schema.Quote(q.t.name) + ` AS t LEFT JOIN ` + q.meta() + ` AS m ON ` + q.keyEquals("t.", "m.k%d") +
		all(where) + ` ORDER BY ` + q.keyList("t.") + ` LIMIT ?`
}

// notNull leaves out rows that have NULL in the key, where that can be.
func (q tableSQL) notNull(prefix string) []string {
	var terms []string
	for _, c := range q.nullable() {
		terms = append(terms, prefix+schema.Quote(q.t.def.Columns[c].Name)+` IS NOT NULL`)
	}
	return terms
}

// nullable are the key columns in which SQLite allows NULL.
func (q tableSQL) nullable() []int {
	var list []int
	for _, c := range q.t.key {
		if c != q.t.def.RowidAlias && !q.t.def.Columns[c].NotNull && !q.t.def.WithoutRowid {
			list = append(list, c)
		}
	}
	return list
}

// verifyMeta reads metadata in the order of the key, and whether the row is
// there.
func (q tableSQL) verifyMeta(after bool) string {
	k := len(q.t.key)
	var where []string
	if after {
		where = append(where, `(`+q.list("m.k%d", ", ", k)+`) > (`+strings.Repeat(", ?", k)[2:]+`)`)
	}
	return `SELECT m.state, EXISTS (SELECT 1 FROM main.` + schema.Quote(q.t.name) + ` AS t WHERE ` + q.keyEquals("t.", "m.k%d") + `), ` +
		q.list("+m.k%d", ", ", k) + ` FROM ` + q.meta() + ` AS m` + all(where) + ` ORDER BY ` + q.list("m.k%d", ", ", k) + ` LIMIT ?`
}

func all(terms []string) string {
	if len(terms) == 0 {
		return ""
	}
	return ` WHERE ` + strings.Join(terms, ` AND `)
}
