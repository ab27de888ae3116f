package cdc

import (
	"context"
	"strings"

	"sqlsync/schema"
)

// verifyRows reads rows in the order of the key, with their metadata if that is in
// no packs.
func (q tableSQL) verifyRows(after bool) string {
	where := q.notNull("t.")
	if after {
		where = append(where, `(`+q.keyList("t.")+`) > (`+strings.Repeat(", ?", len(q.t.key))[2:]+`)`)
	}
	columns, meta := metaColumns("m.")+`, `, ` LEFT JOIN `+q.meta()+` AS m ON `+q.keyEquals("t.", "m.k%d")
	if q.t.mayPack() {
		columns, meta = ``, ``
	}
	return `SELECT ` + columns + q.keyList("+t.") + q.joinedCells() + ` FROM main.` + schema.Quote(q.t.name) + ` AS t` + meta +
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

// verifyNulls counts the rows that have NULL in the key.
func (s *Store) verifyNulls(ctx context.Context, tab *table, found func(Finding) error) error {
	var terms []string
	for _, c := range tab.nullable() {
		terms = append(terms, schema.Quote(tab.def.Columns[c].Name)+` IS NULL`)
	}
	if len(terms) == 0 {
		return nil
	}
	var n int64
	err := s.peek(ctx, func(t *tx) (err error) {
		n, err = t.Int(`SELECT count(*) FROM main.` + schema.Quote(tab.name) + ` WHERE ` + strings.Join(terms, ` OR `))
		return err
	})
	if err != nil || n == 0 {
		return err
	}
	return found(tab.finding(NullKey, nil, "NULL in the key: %d of its rows not replicated", n))
}
