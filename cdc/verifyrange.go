package cdc

import (
	"context"
	"errors"
	"fmt"

	"sqlsync/cdc/internal/sqlconn"
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
	switch {
	case sw.inMeta && tab.mayPack():
		read = t.packedMetaAfter
	case sw.inMeta:
		read = t.metaAfter
	case tab.mayPack():
		read = t.packedRowsAfter
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
		// The cells of a wide table are read where suspects are judged.
		suspect := tab.wide || t.suspect(tab, row[:metaWidth], values)
		for _, v := range row[metaWidth:] {
			size += sizeOf(v)
		}
		if full = sp.rows == keys || size > sealBytes || tab.wide && sp.rows == wideChunk; suspect || full {
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
	return err != nil || tab.differs(values, &m)
}

// differs reports whether a row that is there is not as its metadata says.
func (tab *table) differs(values []wire.Value, m *meta) bool {
	if !m.exists() || m.state != alive {
		return true
	}
	differ, _ := tab.differences(values, m.hashes)
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

// compareNext reads the next range of a sweep and judges what it suspects. It
// reads the tables again when the schema has changed; a table that is then not
// there any more, or has another key, gives nil.
func (s *Store) compareNext(ctx context.Context, at *tablesAt, sw *sweep, keys int) (tab *table, sp span, list []Finding, err error) {
	was := *sw
	for {
		*sw = was
		if tab = at.table(sw); tab == nil {
			return nil, span{done: true}, nil, nil
		}
		err = s.peekAt(ctx, *at, func(t *tx) (err error) {
			sp, err = t.next(tab, sw, keys)
			return err
		})
		if err == nil && len(sp.suspects) > 0 {
			err = s.peekAt(ctx, *at, func(t *tx) (err error) {
				list, err = t.judge(tab, sp.suspects)
				return err
			})
		}
		if !errors.Is(err, errMoved) {
			return tab, sp, list, err
		}
		if *at, err = s.watchedTables(ctx); err != nil {
			return nil, span{}, nil, err
		}
	}
}

// table finds the table of a sweep, nil if it is no longer what it was.
func (at *tablesAt) table(sw *sweep) *table {
	for _, tab := range at.tables {
		if tab.id == sw.table && (sw.after == nil || len(tab.key) == len(sw.after)) {
			return tab
		}
	}
	return nil
}
