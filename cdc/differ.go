package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// DifferenceKind says how a table is not the same as a peer's.
type DifferenceKind string

const (
	// MissingHere and MissingThere are rows that one side lacks.
	MissingHere  DifferenceKind = "missing_here"
	MissingThere DifferenceKind = "missing_there"
	// Differs is a row of which Columns have other values; without a key, rows
	// that cannot be told apart by it.
	Differs DifferenceKind = "differs"
	// ColumnsHere and ColumnsThere are columns that only one side has.
	ColumnsHere  DifferenceKind = "columns_only_here"
	ColumnsThere DifferenceKind = "columns_only_there"
)

// Difference is one row, or some columns, in which a table differs.
type Difference struct {
	Table   string
	Kind    DifferenceKind
	Key     []NamedValue
	Columns []string
	// Here and There count rows, where there is no key.
	Here, There uint64
}

// DifferOptions say with whom tables are compared.
type DifferOptions struct {
	// Ask puts a question to the peer.
	Ask func(ctx context.Context, question wire.Message) (answer wire.Message, err error)
	// Found is called for every difference. An error of its ends the work.
	Found func(Difference) error
}

// Comparison is what Differ has compared.
type Comparison struct {
	Tables []TableVerification
	// OnlyHere and OnlyThere are tables that only one side has, or that wait on
	// the other.
	OnlyHere, OnlyThere []string
	// Unsettled counts rows that differ, and may do so only because one side
	// has not had yet what the other has. Here and There are what was applied.
	Unsettled   int
	Here, There merge.Vector
}

const (
	// differTries is how often rows that differ are looked at again, with
	// pauses that double.
	differTries = 5
	firstLook   = 50 * time.Millisecond
	// maxUnsettled is how many of them are: beyond that the nodes are not in
	// step, and are to be synced first.
	maxUnsettled = 10_000
	// askedKeys is how many rows one question is about, askedHashes of how many
	// values.
	askedKeys   = 256
	askedHashes = 32 << 10
)

// Differ compares the dataset's tables with a peer's, by fingerprints of ranges
// of keys first. What both sides' applications have committed is sealed. A row
// that differs is told only if each side has had all that the other had when it
// was read: what is on its way is looked at again for a while. Reads are short.
func (d *Stream) Differ(ctx context.Context, o DifferOptions) (*Comparison, error) {
	f := &differ{Stream: d, o: o, result: &Comparison{}}
	err := f.run(ctx)
	f.result.Unsettled += len(f.unsettled)
	if err != nil && !errors.Is(err, errUnsettled) {
		return nil, fmt.Errorf("compare %s: %w", d.name, err)
	}
	return f.result, nil
}

// differ is one run of Differ.
type differ struct {
	*Stream
	o      DifferOptions
	result *Comparison
	// suspects are keys of rows that seem to differ, of the table compared now.
	suspects [][]byte
	// unsettled are rows of all tables.
	unsettled []unsettled
}

// compared is a table as both sides have it.
type compared struct {
	name         string
	key, columns []string
	result       int // in Comparison.Tables
}

// unsettled is a row that was found to differ.
type unsettled struct {
	of  *compared
	key []byte
	// here and there are what it was, hereAt and thereAt what was applied.
	here, there     wire.RowState
	hereAt, thereAt merge.Vector
}

func (f *differ) run(ctx context.Context) error {
	answer, err := ask[*wire.Contents](ctx, f, &wire.ContentsRequest{})
	if err != nil {
		return err
	}
	here, err := f.contents(ctx)
	if err != nil {
		return err
	}
	theirs := make(map[string]wire.TableContents)
	for _, t := range answer.Tables {
		if t.Settled {
			theirs[schema.Fold(t.Name)] = t
		}
	}
	for _, t := range here.Tables {
		there, ok := theirs[schema.Fold(t.Name)]
		if !t.Settled {
			continue
		}
		delete(theirs, schema.Fold(t.Name))
		if !ok {
			f.result.OnlyHere = append(f.result.OnlyHere, t.Name)
			continue
		}
		if err := f.table(ctx, &t, &there); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	for _, t := range answer.Tables {
		if _, left := theirs[schema.Fold(t.Name)]; left {
			f.result.OnlyThere = append(f.result.OnlyThere, t.Name)
		}
	}
	return f.settle(ctx)
}

// ask puts a question whose answer is of type T.
func ask[T wire.Message](ctx context.Context, f *differ, question wire.Message) (answer T, err error) {
	m, err := f.o.Ask(ctx, question)
	if err != nil {
		return answer, err
	}
	answer, ok := m.(T)
	if !ok {
		return answer, outOfPlace(m)
	}
	return answer, nil
}

// table compares one table: its columns, then its rows.
func (f *differ) table(ctx context.Context, here, there *wire.TableContents) error {
	c := &compared{name: here.Name, result: len(f.result.Tables)}
	f.result.Tables = append(f.result.Tables, TableVerification{Table: here.Name})
	var onlyHere, onlyThere []string
	for _, name := range here.Columns {
		if slices.ContainsFunc(there.Columns, func(n string) bool { return schema.Same(n, name) }) {
			c.columns = append(c.columns, name)
		} else {
			onlyHere = append(onlyHere, name)
		}
	}
	for _, name := range there.Columns {
		if !slices.ContainsFunc(here.Columns, func(n string) bool { return schema.Same(n, name) }) {
			onlyThere = append(onlyThere, name)
		}
	}
	for _, only := range []Difference{{Kind: ColumnsHere, Columns: onlyHere}, {Kind: ColumnsThere, Columns: onlyThere}} {
		if len(only.Columns) > 0 {
			if err := f.found(c, only); err != nil {
				return err
			}
		}
	}
	if !here.Keyed || !there.Keyed {
		return f.whole(ctx, c, wire.KeyRange{})
	}
	return f.rows(ctx, c)
}

func (f *differ) found(c *compared, diff Difference) error {
	diff.Table = c.name
	f.result.Tables[c.result].Findings++
	return f.o.Found(diff)
}

// rows compares the rows of a table.
func (f *differ) rows(ctx context.Context, c *compared) error {
	at, err := f.s.watchedTables(ctx)
	if err != nil {
		return err
	}
	tab, err := f.tableAt(at, c.name)
	if err != nil {
		return err
	}
	c.key = tab.keyCols
	ranges := []wire.KeyRange{{}}
	var spent effort
	for first := true; len(ranges) > 0; first = false {
		from := max(0, len(ranges)-askedRanges)
		q := &wire.FingerprintsRequest{Aspect: wire.ByValues, Table: c.name, Columns: c.columns, Ranges: slices.Clone(ranges[from:])}
		m, err := ask[*wire.Fingerprints](ctx, f, q)
		if err != nil {
			return err
		}
		parts, err := partsOf(q.Ranges, m, len(ranges))
		if err != nil {
			return err
		}
		mine, err := f.fingerprints(ctx, &wire.FingerprintsRequest{Aspect: q.Aspect, Table: c.name, Columns: c.columns, Ranges: rangesOf(parts)}, 0)
		if err != nil {
			return err
		}
		if !spent.spend(mine) {
			return fmt.Errorf("%w: a table that is divided without an end", wire.ErrInvalid)
		}
		ranges = append(ranges[:from], q.Ranges[len(m.Ranges):]...)
		for i, p := range parts {
			own := &mine.Ranges[i][0]
			if first {
				f.result.Tables[c.result].Rows += int64(own.Rows)
			}
			switch {
			case own.Rows == p.Rows && own.Sum == p.Sum:
			case p.Single || p.Rows == 0:
				err = f.suspect(ctx, c, &p)
			case p.whole && !first:
				err = f.whole(ctx, c, p.KeyRange) // the keys are too long to be divided by
			default:
				ranges = append(ranges, p.KeyRange)
			}
			if err != nil {
				return err
			}
		}
	}
	return f.check(ctx, c)
}
