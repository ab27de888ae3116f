package cdc

import (
	"errors"
	"fmt"
	"strings"

	"modernc.org/sqlite"

	"sqlsync/schema"
	"sqlsync/wire"
)

// foreign runs SQL that a peer or a file has brought, which is to make one table
// and what belongs to it. Whatever else it would do is refused by the
// connection's authorizer, whoever wrote it.
func (t *tx) foreign(table, q string) error {
	deed := &foreignDeed{table: schema.Fold(table)}
	if err := t.Authorize(deed.authorize); err != nil {
		return fmt.Errorf("take the authorizer: %w", err)
	}
	_, err := t.Exec(q)
	t.Forget() // it is not to be kept beside our own statements
	if aerr := t.Authorize(t.cfg.authorize); aerr != nil {
		return errors.Join(err, fmt.Errorf("put the authorizer back: %w", aerr))
	}
	if deed.refused != "" {
		return fmt.Errorf("%w: the schema that came for table %s would %s", wire.ErrInvalid, table, deed.refused)
	}
	return err
}

// foreignDeed is what SQL of others may do: create the table, its indexes and
// its triggers, and add columns.
type foreignDeed struct {
	table   string
	refused string // what it tried first
}

func (d *foreignDeed) authorize(action sqlite.AuthorizerActionCode, a, b, _, _ string) sqlite.AuthorizerReturnCode {
	a, b = schema.Fold(a), schema.Fold(b)
	switch action {
	case sqlite.AuthCreateTable:
		return d.only(a == d.table && !ours(a) || a == "sqlite_sequence", "create table "+a)
	case sqlite.AuthCreateIndex, sqlite.AuthCreateTrigger:
		return d.only(b == d.table && !ours(a), "create "+a+" on "+b)
	case sqlite.AuthAlterTable:
		return d.only(b == d.table, "alter table "+b)
	case sqlite.AuthInsert, sqlite.AuthUpdate, sqlite.AuthDelete:
		// SQLite's own work on its schema; a statement that writes there itself
		// is refused by SQLite.
		return d.only(a == "sqlite_master", "change table "+a)
	case sqlite.AuthRead:
		return d.only(a == d.table || a == "sqlite_master" || a == "pragma_quick_check", "read table "+a)
	case sqlite.AuthPragma: // that of a column with a CHECK
		return d.only(a == "quick_check", "set "+a)
	case sqlite.AuthSelect, sqlite.AuthReindex, sqlite.AuthFunction:
		return sqlite.AuthorizerOK
	}
	return d.only(false, fmt.Sprintf("do what is no part of a table (%d)", action))
}

func (d *foreignDeed) only(allowed bool, what string) sqlite.AuthorizerReturnCode {
	if allowed {
		return sqlite.AuthorizerOK
	}
	if d.refused == "" {
		d.refused = what
	}
	return sqlite.AuthorizerDeny
}

// ours reports whether a name is of sqlsync's own.
func ours(name string) bool { return strings.HasPrefix(schema.Fold(name), schema.Prefix) }
