//go:build cgo

package oldlib_test

import (
	"database/sql"
	"fmt"
	"strings"

	_ "github.com/mattn/go-sqlite3"
)

const haveOld = true

// openOld opens a file by the old library, on one connection, waiting at most
// so many milliseconds for a lock.
func openOld(path string, busy int) (*sql.DB, error) {
	db, err := sql.Open("sqlite3", fmt.Sprintf("%s?_busy_timeout=%d", path, busy))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	return db, nil
}

// runOld is a writer's run.
func runOld(path string, statements []string) (rows, errs []string, err error) {
	db, err := openOld(path, 20_000)
	if err != nil {
		return nil, nil, err
	}
	defer db.Close()
	for _, s := range statements {
		more, err := rowsOf(db, s)
		if err != nil {
			errs = append(errs, err.Error())
		}
		rows = append(rows, more...)
	}
	return rows, errs, nil
}

// rowsOf executes a statement and returns its rows, columns joined by "|".
func rowsOf(db *sql.DB, statement string) (list []string, err error) {
	if !strings.HasPrefix(statement, "SELECT") && !strings.HasPrefix(statement, "PRAGMA") {
		_, err := db.Exec(statement)
		return nil, err
	}
	rows, err := db.Query(statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		texts, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range texts {
			into[i] = &texts[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		parts := make([]string, len(texts))
		for i, t := range texts {
			parts[i] = t.String
		}
		list = append(list, strings.Split(strings.Join(parts, "|"), "\n")...)
	}
	return list, rows.Err()
}
