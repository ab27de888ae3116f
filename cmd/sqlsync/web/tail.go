package web

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"sqlsync/cdc"
)

const (
	// tailLines are the last changes that the page shows, tailBytes the most of
	// one that is sent there.
	tailLines = 50
	tailBytes = 4 << 10
)

// tail is the end of a database's log. It is read only while somebody looks.
type tail struct {
	at    map[string]cdc.Cursor
	lines []line
	last  int64
}

// line is one change; numbers rise.
type line struct {
	number int64
	json   json.RawMessage
}

// read reads on. Of many changes it passes over all but the last.
func (t *tail) read(ctx context.Context, d *Database) error {
	if t.at == nil {
		t.at = make(map[string]cdc.Cursor)
	}
	var news []*cdc.Entry
	for _, name := range d.Store.Datasets() {
		part, err := t.readOne(ctx, d, name)
		if err != nil {
			return err
		}
		news = append(news, part...)
	}
	slices.SortStableFunc(news, func(a, b *cdc.Entry) int { return cmp.Compare(a.Change.HLC.Seal(), b.Change.HLC.Seal()) })
	for _, e := range news[max(0, len(news)-tailLines):] {
		b, err := oneLine(d.Show.Change(e))
		if err != nil {
			return err
		}
		t.last++
		t.lines = append(t.lines, line{t.last, cut(b, tailBytes, "values")})
	}
	if over := len(t.lines) - tailLines; over > 0 {
		t.lines = slices.Delete(t.lines, 0, over)
	}
	return nil
}

func (t *tail) readOne(ctx context.Context, d *Database, dataset string) ([]*cdc.Entry, error) {
	from, err := d.Store.Tail(ctx, dataset, tailLines)
	if err != nil {
		return nil, err
	}
	at, ok := t.at[dataset]
	if !ok || from.Pos > at.Pos {
		at = from
	}
	var last []*cdc.Entry
	err = d.Store.Log(ctx, at, func(e *cdc.Entry) error {
		at = e.Cursor
		if last = append(last, e); len(last) >= 2*tailLines {
			last = append(last[:0], last[tailLines:]...)
		}
		return nil
	})
	at.Dataset = dataset
	t.at[dataset] = at
	return last[max(0, len(last)-tailLines):], err
}

// after returns the lines behind a number.
func (t *tail) after(number int64) (list []json.RawMessage, last int64) {
	for _, l := range t.lines {
		if l.number > number {
			list = append(list, l.json)
		}
	}
	return list, t.last
}
