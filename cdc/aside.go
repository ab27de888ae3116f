package cdc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sqlsync/cdc/internal/sqlconn"
)

// TableError says that one table cannot be sealed. Its marks stay where they
// are, what peers send for it waits, and the other tables go on.
type TableError struct {
	Table string
	Cause error

	id      int64
	dataset string
}

func (e *TableError) Error() string { return fmt.Sprintf("table %s: %v", e.Table, e.Cause) }
func (e *TableError) Unwrap() error { return e.Cause }

// asideFor is how long a table is left alone before it is tried again.
const asideFor = 30 * time.Second

// aside is a table that is left alone for now.
type aside struct {
	table string
	cause error
	until time.Time
	// cookie is of the schema with which the table failed: another may do.
	cookie int64
	// trying says that the next seal has it again.
	trying bool
}

// failed makes a TableError of an error that concerns the table alone, and not
// the transaction, the file or its disk.
func (tab *table) failed(err error) error {
	if err == nil || sqlconn.Busy(err) || sqlconn.ReadOnly(err) || sqlconn.CannotOpen(err) || sqlconn.Disk(err) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &TableError{Table: tab.name, Cause: err, id: tab.id, dataset: tab.ds.name}
}

// setAside leaves the table alone that made a transaction fail, so that it can
// be run again without it. It reports whether there is one.
func (s *Store) setAside(err error) bool {
	var te *TableError
	if !errors.As(err, &te) {
		return false
	}
	if a, had := s.asides[te.id]; had && !a.trying {
		return false
	}
	if s.asides == nil {
		s.asides = make(map[int64]aside)
	}
	until := s.now().Add(asideFor)
	s.asides[te.id] = aside{table: te.Table, cause: te.Cause, until: until, cookie: s.cookie}
	s.asideUntil.Store(until.UnixNano())
	if s.trouble(sealing(te.Table), te) {
		s.log.Error("cannot seal a table for now; the others go on", "db", s.path, "table", te.Table, "err", te.Cause)
	}
	return true
}

func sealing(table string) string { return "seal " + table }

// asideDue reports whether a table that is aside is to be tried again.
func (s *Store) asideDue() bool {
	until := s.asideUntil.Load()
	return until != 0 && s.now().UnixNano() > until
}

// tryAgain has tables sealed again whose time has come, and all of them when
// the schema has changed.
func (t *tx) tryAgain() error {
	if len(t.s.asides) == 0 {
		return nil
	}
	cookie, err := t.Int(`PRAGMA main.schema_version`)
	if err != nil {
		return err
	}
	for id, a := range t.s.asides {
		if !a.trying && (cookie != a.cookie || t.now.After(a.until)) {
			a.trying = true
			t.s.asides[id] = a
			t.s.cfg = nil // there the table waits
		}
	}
	return nil
}

// leaveAside makes a table wait that cannot be sealed.
func (t *tx) leaveAside(tab *table) {
	if a, ok := t.s.asides[tab.id]; ok && !a.trying {
		tab.aside, tab.waiting = true, fmt.Sprintf("it cannot be sealed: %v", a.cause)
	}
}

// mended forgets the tables of a dataset that were tried again and sealed, and
// those that are not watched any more.
func (t *tx) mended(ds *dataset) {
	s := t.s
	for id, a := range s.asides {
		tab := t.cfg.byID[id]
		if tab != nil && (tab.ds.id != ds.id || !a.trying) {
			continue
		}
		delete(s.asides, id)
		s.trouble(sealing(a.table), nil)
	}
	if len(s.asides) == 0 {
		s.asideUntil.Store(0)
	}
}

// sealWhole is Seal for callers to whom a table that is left aside is an error.
func (s *Store) sealWhole(ctx context.Context, dataset string) error {
	if err := s.Seal(ctx, dataset); err != nil {
		return err
	}
	var errs []error
	for _, t := range s.Troubles() {
		var te *TableError
		if errors.As(t.Err, &te) && te.dataset == dataset {
			errs = append(errs, te)
		}
	}
	return errors.Join(errs...)
}

// unaside is a condition for the marks of tables that are not aside, "" if
// none is.
func (c *config) unaside() string {
	var ids []string
	for _, tab := range c.tables {
		if tab.aside {
			ids = append(ids, fmt.Sprint(tab.id))
		}
	}
	if ids == nil {
		return ""
	}
	return `table_id NOT IN (` + strings.Join(ids, ", ") + `)`
}
