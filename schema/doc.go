// Package schema reads an application's tables and builds the triggers that
// capture what is done to them.
//
// [Load] describes a table, [Table.Key] chooses what identifies its rows,
// [Check] says whether it can be replicated, and if not why and what to do, and
// [Triggers] spells the capture. The package changes nothing: it reads through
// a [Queryer] and returns text.
package schema

import (
	"context"
	"database/sql"
	"strings"
)

// Queryer reads a database: a *sql.DB, *sql.Conn, *sql.Tx or the like.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Prefix begins the name of everything of sqlsync's in a database.
const Prefix = "sqlsync_"

// Quote makes an SQL identifier of any name. It is the one place where names
// become SQL.
func Quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// Fold makes names equal that SQLite takes for equal: those that differ in the
// case of ASCII letters. It knows of no other letters' case.
func Fold(name string) string {
	b := []byte(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// each calls fn for every row of a query.
func each(ctx context.Context, q Queryer, fn func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
