package cdc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sqlsync/merge"
	"sqlsync/wire"
)

// Cursor is a place in the change log of a database: behind a change of a held
// batch. Its text form is "dataset:place:index".
type Cursor struct {
	Dataset string
	Pos     int64
	Index   int
}

func (c Cursor) String() string { return fmt.Sprintf("%s:%d:%d", c.Dataset, c.Pos, c.Index) }

// ErrCursor says that a text is no cursor.
var ErrCursor = errors.New("not a cursor")

// ParseCursor reads the text form of a cursor.
func ParseCursor(s string) (Cursor, error) {
	rest, index, ok := cutLast(s)
	dataset, pos, ok2 := cutLast(rest)
	p, err := strconv.ParseInt(pos, 10, 64)
	i, err2 := strconv.Atoi(index)
	if !ok || !ok2 || err != nil || err2 != nil || p < 0 || i < 0 {
		return Cursor{}, fmt.Errorf("%w: %q", ErrCursor, s)
	}
	return Cursor{dataset, p, i}, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// Entry is one sealed change.
type Entry struct {
	Cursor Cursor
	Origin merge.NodeID
	Seq    uint64
	Table  string
	// Names are the key columns' names and then those of the change's values.
	Key, Columns []string
	Change       wire.Change
}

// ErrPruned says that changes behind a cursor are not kept any more.
var ErrPruned = errors.New("changes behind the cursor are not kept any more")

// Log calls fn for the changes in held batches of a dataset behind a cursor,
// in the order in which this node came to hold them, until fn returns an error
// or there are none left. The zero cursor's place is the beginning.
func (s *Store) Log(ctx context.Context, after Cursor, fn func(*Entry) error) error {
	d := s.Stream(after.Dataset)
	if after.Pos > 0 {
		var missing bool
		err := s.get(ctx, &missing, `SELECT EXISTS (SELECT 1 FROM sqlsync_dataset AS d WHERE d.name = ?1 AND ?2 < d.pos
			AND NOT EXISTS (SELECT 1 FROM sqlsync_batch AS b WHERE b.dataset_id = d.id AND b.pos <= ?2 + 1))`, after.Dataset, after.Pos)
		if err != nil {
			return err
		}
		if missing {
			return fmt.Errorf("%w: %s", ErrPruned, after)
		}
	}
	pos := after.Pos - 1 // a batch may be left half way
	for {
		list, err := d.After(ctx, pos, 1<<20)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, h := range list {
			if err := s.logBatch(h, after, fn); err != nil {
				return err
			}
			pos = h.Pos
		}
	}
}

func (s *Store) logBatch(h wire.Held, after Cursor, fn func(*Entry) error) error {
	plain, err := s.revealed(h.Sealed)
	if errors.Is(err, ErrNoDatasetKey) {
		return nil // it is only held to be passed on
	}
	if err != nil {
		return fmt.Errorf("held batch %d: %w", h.Pos, err)
	}
	b, err := plain.Open(wire.Limits{})
	if err != nil {
		return fmt.Errorf("held batch %d: %w", h.Pos, err)
	}
	index := 0
	for i := range b.Sections {
		sec := &b.Sections[i]
		for j := range sec.Changes {
			index++
			c := Cursor{after.Dataset, h.Pos, index}
			if h.Pos == after.Pos && index <= after.Index {
				continue
			}
			e := Entry{Cursor: c, Origin: h.Origin, Seq: h.Seq, Table: sec.Table, Key: sec.Key, Change: sec.Changes[j]}
			e.Columns = changedColumns(sec, &e.Change)
			e.dropShadows()
			if err := fn(&e); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropShadows leaves out what travels beside values.
func (e *Entry) dropShadows() {
	n := len(e.Columns)
	for n > 0 && isShadow(e.Columns[n-1]) { // they are the last
		n--
	}
	if n < len(e.Columns) {
		e.Columns, e.Change.Values = e.Columns[:n], e.Change.Values[:n]
	}
}

func changedColumns(sec *wire.Section, c *wire.Change) []string {
	switch c.Op {
	case merge.Insert:
		return sec.Columns
	case merge.Update:
		names := make([]string, len(c.Columns))
		for i, col := range c.Columns {
			names[i] = sec.Columns[col]
		}
		return names
	}
	return nil
}

// Tail returns a cursor behind which there are at least n changes of the
// dataset, or the beginning.
func (s *Store) Tail(ctx context.Context, dataset string, n int) (Cursor, error) {
	rows, err := s.db.QueryxContext(ctx, `SELECT pos, changes FROM sqlsync_batch
		WHERE dataset_id = (SELECT id FROM sqlsync_dataset WHERE name = ?) ORDER BY pos DESC`, dataset)
	if err != nil {
		return Cursor{}, fmt.Errorf("read log: %w", err)
	}
	defer rows.Close()
	c := Cursor{Dataset: dataset}
	for have := 0; have < n && rows.Next(); {
		var changes int
		if err := rows.Scan(&c.Pos, &changes); err != nil {
			return Cursor{}, fmt.Errorf("read log: %w", err)
		}
		have += changes
	}
	return c, rows.Err()
}

// LogTables lists the tables that the log may have changes of: those that are
// or were watched, here or by a peer, and those that are there.
func (s *Store) LogTables(ctx context.Context) (names []string, err error) {
	err = s.db.SelectContext(ctx, &names, `SELECT name FROM sqlsync_table UNION SELECT name FROM sqlsync_absent
		UNION SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlsync\_%' ESCAPE '\' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", s.explain(err))
	}
	return names, nil
}

// Origins lists the nodes that a change was ever heard of.
func (s *Store) Origins(ctx context.Context) ([]merge.NodeID, error) {
	var keys [][]byte
	if err := s.db.SelectContext(ctx, &keys, `SELECT key FROM sqlsync_origin ORDER BY id`); err != nil {
		return nil, fmt.Errorf("list origins: %w", s.explain(err))
	}
	list := make([]merge.NodeID, len(keys))
	for i, k := range keys {
		list[i] = merge.NodeID(k)
	}
	return list, nil
}
