package cdc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/schema"
	"sqlsync/wire"
)

// answerBytes is about how long an answer about ranges may become: readers take
// no longer small messages than four times as much.
const answerBytes = 256 << 10

// answerRows is about how many rows are read for an answer about ranges, beyond
// the first of them: an honest peer asks of ranges that do not overlap.
const answerRows = 1 << 16

// maxHashes bounds the values that one question asks for.
const maxHashes = 1 << 16

// Compare answers a peer's question about what tables hold.
func (d *Stream) Compare(ctx context.Context, question wire.Message) (answer wire.Message, err error) {
	d = d.answering()
	switch m := question.(type) {
	case *wire.ContentsRequest:
		answer, err = d.contents(ctx)
	case *wire.FingerprintsRequest:
		answer, err = d.fingerprints(ctx, m, divideInto)
	case *wire.StatesRequest:
		answer, err = d.states(ctx, m)
	case *wire.RangesRequest:
		answer, err = d.ranges(ctx, m)
	default:
		err = fmt.Errorf("%w: %T is no question", wire.ErrInvalid, question)
	}
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", d.name, err)
	}
	return answer, nil
}

// contents lists the tables, with the ends of the chains as they were before
// that. Rows are compared later: what they stand for is that or more.
func (d *Stream) contents(ctx context.Context) (*wire.Contents, error) {
	if err := d.s.Seal(ctx, d.name); err != nil {
		return nil, err
	}
	out := &wire.Contents{}
	err := d.s.look(ctx, func(t *tx) error {
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		chains, err := t.chains(ds)
		if err != nil {
			return err
		}
		out.Heads, out.Tables = chains.heads(), nil
		for _, tab := range t.cfg.tables {
			if !d.has(tab) || tab.def == nil {
				continue
			}
			whole, err := t.whole(tab)
			if err != nil {
				return err
			}
			out.Tables = append(out.Tables, wire.TableContents{
				Name: tab.name, Columns: tab.comparable(), Keyed: !tab.localIDs(), Settled: whole && tab.ds.id == ds.id,
			})
		}
		return nil
	})
	return out, err
}

// comparable are the columns whose values are the same on all nodes, in the
// order that is the same, too.
func (tab *table) comparable() []string {
	var names []string
	for _, c := range tab.def.Stored() {
		if !tab.localIDs() || c != tab.def.RowidAlias {
			names = append(names, tab.def.Columns[c].Name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(schema.Fold(a), schema.Fold(b)) })
	return names
}

// tableAt finds a table of the dataset.
func (d *Stream) tableAt(at tablesAt, name string) (*table, error) {
	for _, tab := range at.tables {
		if schema.Same(tab.name, name) && d.has(tab) {
			return tab, nil
		}
	}
	return nil, fmt.Errorf("%w: no table %q to compare", wire.ErrInvalid, name)
}

// fingerprints makes fingerprints of ranges, each divided into so many parts
// at most, none for one whole; of the first ones, where the answer would become
// too long. What applications have written is sealed before, where it counts.
func (d *Stream) fingerprints(ctx context.Context, req *wire.FingerprintsRequest, into int) (*wire.Fingerprints, error) {
	if req.Aspect == wire.ByValues {
		if err := d.s.Seal(ctx, d.name); err != nil {
			return nil, err
		}
	}
	for {
		at, err := d.s.watchedTables(ctx)
		if err != nil {
			return nil, err
		}
		out := &wire.Fingerprints{}
		if out.Vector, err = d.s.vector(ctx, d.name); err != nil {
			return nil, err
		}
		tab, err := d.tableAt(at, req.Table)
		if err != nil {
			return nil, err
		}
		div := newDivider(into)
		c, err := d.summing(tab, req, &div)
		if err != nil {
			return nil, err
		}
		size, rows := 0, uint64(0)
		c.end = func(i int) error {
			parts := div.end(req.Ranges[i].To)
			out.Ranges = append(out.Ranges, parts)
			div = newDivider(into)
			for _, p := range parts {
				size += len(p.To) + len(p.Sum) + len(p.DeadSum)
				rows += p.Rows + p.Dead
			}
			if into > 0 && (size > answerBytes || rows > answerRows) {
				return sqlconn.Stop
			}
			return nil
		}
		if err := c.run(ctx, d.s, at, req.Ranges); !errors.Is(err, errMoved) {
			return out, err
		}
	}
}

// summing is a scan that adds what it reads to a divider.
func (d *Stream) summing(tab *table, req *wire.FingerprintsRequest, div **divider) (c *scan, err error) {
	var buf []byte
	var sum wire.Sum
	if req.Aspect == wire.ByVersions {
		order := tab.byName()
		return &scan{tab: tab, metas: func(key []wire.Value, m *meta) error {
			counts := false
			if sum, counts, buf = tab.versionsSum(buf, order, key, m); counts {
				(*div).add(key, m.row.Dead, sum)
			}
			return nil
		}}, nil
	}
	if c, err = tab.scanValues(req.Columns); err != nil {
		return nil, err
	}
	key := make([]wire.Value, len(tab.key))
	c.row = func(_ *tx, row []any) error {
		for i, place := range c.place {
			key[i] = row[place]
		}
		sum, buf = valuesSum(buf, row[:len(req.Columns)])
		(*div).add(key, false, sum)
		return nil
	}
	return c, nil
}

// states reads rows by their keys, in one transaction in which nothing waits to
// be sealed.
func (d *Stream) states(ctx context.Context, req *wire.StatesRequest) (*wire.States, error) {
	out, _, err := d.statesOf(ctx, req)
	return out, err
}

// statesOf is states with the keys as the rows that are here have them.
func (d *Stream) statesOf(ctx context.Context, req *wire.StatesRequest) (out *wire.States, keys [][]byte, err error) {
	err = d.whenSealed(ctx, func(t *tx, ds *dataset) error {
		tab, err := d.compared(t, req.Table)
		if err != nil {
			return err
		}
		out, keys, err = t.statesOf(ds, tab, req)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return out, keys, nil
}

func (t *tx) statesOf(ds *dataset, tab *table, req *wire.StatesRequest) (*wire.States, [][]byte, error) {
	if len(req.Keys)*len(req.Columns) > maxHashes {
		return nil, nil, fmt.Errorf("%w: %d rows of %d columns asked for at once", wire.ErrInvalid, len(req.Keys), len(req.Columns))
	}
	chains, err := t.chains(ds)
	if err != nil {
		return nil, nil, err
	}
	c, err := tab.scanValues(req.Columns)
	if err != nil {
		return nil, nil, err
	}
	out := &wire.States{Vector: chains.vector(), Rows: make([]wire.RowState, len(req.Keys))}
	keys := make([][]byte, len(req.Keys))
	for i, b := range req.Keys {
		key, err := wire.DecodeRow(b)
		if err != nil || len(key) != len(tab.key) {
			return nil, nil, fmt.Errorf("%w: key of a row", wire.ErrInvalid)
		}
		err = t.Query(func(row []any) error {
			here := make([]wire.Value, len(c.place))
			for i, place := range c.place {
				here[i] = row[place]
			}
			keys[i] = wire.AppendRow(nil, here)
			out.Rows[i] = wire.RowState{Here: true, Hashes: make([]byte, 0, wire.StateHash*len(req.Columns))}
			for _, v := range row[:len(req.Columns)] {
				out.Rows[i].Hashes = binary.LittleEndian.AppendUint64(out.Rows[i].Hashes, hashValue(v))
			}
			return sqlconn.Stop
		}, c.from+` WHERE `+tab.keyEquals("t.", "?"), key...)
		if err != nil {
			return nil, nil, err
		}
	}
	return out, keys, nil
}

// ranges tells the rows of ranges as a snapshot does, until the part is full.
func (d *Stream) ranges(ctx context.Context, req *wire.RangesRequest) (out *wire.Ranges, err error) {
	err = d.whenSealed(ctx, func(t *tx, ds *dataset) error {
		tab, err := d.compared(t, req.Table)
		if err != nil {
			return err
		}
		out, err = t.ranges(ds, tab, req.Ranges)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// compared finds a table of the dataset.
func (d *Stream) compared(t *tx, name string) (*table, error) {
	tab := t.cfg.byName[schema.Fold(name)]
	if tab == nil || tab.def == nil || !d.has(tab) {
		return nil, fmt.Errorf("%w: no table %q to compare", wire.ErrInvalid, name)
	}
	return tab, nil
}

func (t *tx) ranges(ds *dataset, tab *table, ranges []wire.KeyRange) (*wire.Ranges, error) {
	chains, err := t.chains(ds)
	if err != nil {
		return nil, err
	}
	out := &wire.Ranges{Table: tab.name}
	s := t.newSnapshot(ds, tab, chains)
	for _, r := range ranges {
		from, to, err := keyBounds(r, len(tab.key))
		if err != nil {
			return nil, err
		}
		last, err := s.read(from, to)
		if err != nil {
			return nil, err
		}
		if last != nil {
			r.To = keyBytes(last)
		}
		if out.Ranges = append(out.Ranges, r); last != nil || s.full() {
			break
		}
	}
	whole, err := t.whole(tab)
	if err != nil {
		return nil, err
	}
	out.Complete = whole && tab.tellsAll(ds)
	out.Parts, err = s.parts(!whole)
	return out, err
}
