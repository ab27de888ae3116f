package cdc

import (
	"context"
	"errors"

	"sqlsync/cdc/internal/sqlconn"
)

// peek runs fn in one read transaction. It is to be short: as long as it
// lasts, the write-ahead log cannot be reset. The tx knows the origins and no
// table.
func (s *Store) peek(ctx context.Context, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.present(); err != nil {
		return err
	}
	c, err := sqlconn.Open(ctx, s.db.DB)
	if err != nil {
		return s.explain(err)
	}
	defer c.Close()
	if _, err := c.Exec(`BEGIN`); err != nil {
		return s.explain(err)
	}
	defer c.Exec(`ROLLBACK`)
	t := &tx{Conn: c, ctx: ctx, s: s, author: s.author.Load(), cfg: &config{
		origins: newOrigins(),
	}}
	if err := t.readOrigins(); err != nil {
		return s.explain(err)
	}
	if err := s.durable.wait(); err != nil { // what this transaction sees
		return s.explain(err)
	}
	return s.explain(fn(t))
}

// tablesAt are the watched tables as of one version of the schema.
type tablesAt struct {
	version int64
	tables  []*table
}

// errMoved says that the schema is another than the tables were read at.
var errMoved = errors.New("the schema has changed")

// watchedTables reads the tables that are watched and there.
func (s *Store) watchedTables(ctx context.Context) (at tablesAt, err error) {
	err = s.look(ctx, func(t *tx) error {
		at = tablesAt{version: t.cfg.schemaVersion}
		for _, tab := range t.cfg.tables {
			if tab.def != nil {
				at.tables = append(at.tables, tab)
			}
		}
		return nil
	})
	return at, err
}

// peekAt is peek at tables, errMoved if they may be others by now.
func (s *Store) peekAt(ctx context.Context, at tablesAt, fn func(*tx) error) error {
	return s.peek(ctx, func(t *tx) error {
		version, err := t.Int(`PRAGMA main.schema_version`)
		if err != nil {
			return err
		}
		if version != at.version {
			return errMoved
		}
		return fn(t)
	})
}
