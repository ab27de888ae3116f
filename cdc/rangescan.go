package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/schema"
	"sqlsync/wire"
)

// scanRows is how many rows one transaction of a scan reads at most.
const scanRows = 5000

// scan reads the rows of ranges of a table in the order of the key, many short
// transactions long: what it finds was there, but not all at one time.
type scan struct {
	tab *table
	// from is SELECT … FROM, keys the key columns as they are compared, place
	// where in a row the key's values are.
	from, keys string
	place      []int
	terms      []string
	// metas is called, where it is not nil, with the metadata of the table instead of
	// row, and rows are not read.
	metas func(key []wire.Value, m *meta) error
	// row is called for every row, in a transaction that it must not use, and
	// end at the end of every range; Stop of it ends the scan.
	row func(t *tx, row []any) error
	end func(i int) error
}

// keyBounds are the bounds of a range, nil for none.
func keyBounds(r wire.KeyRange, k int) (from, to []wire.Value, err error) {
	for _, b := range []struct {
		b   []byte
		key *[]wire.Value
	}{{r.From, &from}, {r.To, &to}} {
		if len(b.b) == 0 {
			continue
		}
		if *b.key, err = wire.DecodeRow(b.b); err != nil || len(*b.key) != k {
			return nil, nil, fmt.Errorf("%w: range of keys", wire.ErrInvalid)
		}
	}
	return from, to, nil
}

// within spells the conditions for keys behind from and up to to.
func within(keys string, from, to []wire.Value) (terms []string, args []any) {
	for _, bound := range []struct {
		key []wire.Value
		op  string
	}{{from, ` > `}, {to, ` <= `}} {
		if bound.key != nil {
			terms = append(terms, `(`+keys+`)`+bound.op+`(`+strings.Repeat(", ?", len(bound.key))[2:]+`)`)
			args = append(args, bound.key...)
		}
	}
	return terms, args
}

// run scans ranges. A schema that has changed since the table was read is
// errMoved.
func (c *scan) run(ctx context.Context, s *Store, at tablesAt, ranges []wire.KeyRange) error {
	i := 0
	var after []wire.Value // in the range i, nil at its beginning
	for i < len(ranges) {
		err := s.peekAt(ctx, at, func(t *tx) error {
			for left := scanRows; left > 0 && i < len(ranges); {
				n, last, err := c.some(t, ranges[i], after, left)
				if err != nil {
					return err
				}
				left -= max(n, 1)
				if after = last; last != nil {
					return nil
				}
				if err := c.end(i); err != nil {
					return err
				}
				i++
			}
			return nil
		})
		if errors.Is(err, sqlconn.Stop) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// some reads rows of a range behind after. last is nil at its end.
func (c *scan) some(t *tx, r wire.KeyRange, after []wire.Value, most int) (n int, last []wire.Value, err error) {
	k := len(c.tab.key)
	from, to, err := keyBounds(r, k)
	if err != nil {
		return 0, nil, err
	}
	if after != nil {
		from = after
	}
	size := 0
	if c.metas != nil {
		err = t.metas(c.tab, from, to, func(key []wire.Value, m *meta) error {
			n++
			size += len(m.hashes)
			for _, state := range m.states {
				size += len(state)
			}
			if n == most || size > sealBytes {
				last = slices.Clone(key)
			}
			if err := c.metas(key, m); err != nil {
				return err
			}
			if last != nil {
				return sqlconn.Stop
			}
			return nil
		})
		return n, last, err
	}
	terms, args := within(c.keys, from, to)
	err = t.Query(func(row []any) error {
		n++
		for _, v := range row {
			size += sizeOf(v)
		}
		if n == most || size > sealBytes {
			last = make([]wire.Value, k)
			for i, place := range c.place {
				last[i] = row[place]
			}
		}
		if err := c.row(t, row); err != nil {
			return err
		}
		if last != nil {
			return sqlconn.Stop
		}
		return nil
	}, c.from+all(slices.Concat(c.terms, terms))+` ORDER BY `+c.keys+` LIMIT ?`, append(args, most)...)
	return n, last, err
}

// scanValues is a scan of the rows, of these columns and then, where they are
// not among them, those of the key.
func (tab *table) scanValues(columns []string) (*scan, error) {
	list, places, err := tab.columnsNamed(columns)
	if err != nil {
		return nil, err
	}
	c := &scan{tab: tab, keys: tab.keyList("t."), terms: tab.notNull("t.")}
	for i, k := range tab.key {
		place, ok := places[k]
		if !ok {
			if !tab.localIDs() {
				return nil, fmt.Errorf("%w: %s compared without its key", wire.ErrInvalid, tab.name)
			}
			place = len(columns) + i
			list += ", +t." + schema.Quote(tab.def.Columns[k].Name)
		}
		c.place = append(c.place, place)
	}
	c.from = `SELECT ` + list + ` FROM main.` + schema.Quote(tab.name) + ` AS t`
	return c, nil
}

// scanKeys is a scan of the rows' keys.
func (tab *table) scanKeys() *scan {
	return &scan{tab: tab, keys: tab.keyList("t."), place: upTo(len(tab.key)), terms: tab.notNull("t."),
		from: `SELECT ` + tab.keyList("+t.") + ` FROM main.` + schema.Quote(tab.name) + ` AS t`}
}

// columnsNamed spells columns, and says where in the list each is.
func (tab *table) columnsNamed(columns []string) (list string, places map[int]int, err error) {
	parts := make([]string, len(columns))
	places = make(map[int]int, len(columns))
	stored := tab.def.Stored()
	for i, name := range columns {
		at := slices.IndexFunc(stored, func(c int) bool { return schema.Same(tab.def.Columns[c].Name, name) })
		if at < 0 {
			return "", nil, fmt.Errorf("%w: no column %q to compare in %s", wire.ErrInvalid, name, tab.name)
		}
		if _, twice := places[stored[at]]; twice {
			return "", nil, fmt.Errorf("%w: column %q of %s compared twice", wire.ErrInvalid, name, tab.name)
		}
		places[stored[at]] = i
		parts[i] = "+t." + schema.Quote(tab.def.Columns[stored[at]].Name)
	}
	return strings.Join(parts, ", "), places, nil
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
