package cdc

import (
	"context"

	"sqlsync/merge"
	"sqlsync/wire"
)

// whole compares a range of a table whose rows cannot be told apart by keys. As
// its rows are not read at one moment, it is looked at until they stay the same
// while everything is exchanged.
func (f *differ) whole(ctx context.Context, c *compared, r wire.KeyRange) error {
	var first, between *sums
	pause := firstLook
	for range differTries {
		now, err := f.sums(ctx, c, r)
		if err != nil {
			return err
		}
		if len(r.From) == 0 && len(r.To) == 0 {
			f.result.Tables[c.result].Rows = int64(now.here.Rows)
		}
		switch {
		case now.here.Rows == now.there.Rows && now.here.Sum == now.there.Sum:
			return nil
		case first == nil || first.here != now.here || first.there != now.there:
			first, between = now, nil
			continue
		case between == nil:
			between = now
			continue
		case now.hereAt.Covers(between.thereAt) && now.thereAt.Covers(between.hereAt):
			return f.found(c, Difference{Kind: Differs, Here: now.here.Rows, There: now.there.Rows})
		}
		between = now
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
	f.result.Unsettled++
	return nil
}

// sums is what a range holds on both sides; what was applied is from before the
// first row was read.
type sums struct {
	here, there     rowsSum
	hereAt, thereAt merge.Vector
}

type rowsSum struct {
	Rows uint64
	Sum  wire.Sum
}

func (f *differ) sums(ctx context.Context, c *compared, r wire.KeyRange) (*sums, error) {
	q := &wire.FingerprintsRequest{Aspect: wire.ByValues, Table: c.name, Columns: c.columns, Ranges: []wire.KeyRange{r}}
	there, err := ask[*wire.Fingerprints](ctx, f, q)
	if err != nil {
		return nil, err
	}
	if _, err := partsOf(q.Ranges, there, 0); err != nil {
		return nil, err
	}
	here, err := f.fingerprints(ctx, q, 0)
	if err != nil {
		return nil, err
	}
	f.result.Here, f.result.There = here.Vector, there.Vector
	return &sums{totalOf(here), totalOf(there), here.Vector, there.Vector}, nil
}

func totalOf(m *wire.Fingerprints) (t rowsSum) {
	for _, f := range m.Ranges[0] {
		t.Rows += f.Rows
		addSum(&t.Sum, f.Sum)
	}
	return t
}
