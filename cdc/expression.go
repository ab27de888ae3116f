package cdc

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// expressionNames are what a user's expression speaks of.
var expressionNames = []string{":local", ":remote", ":local_hlc", ":remote_hlc"}

// expressionQuery computes an expression: its names become columns of a row
// that has the values.
func expressionQuery(expr string) string {
	columns := make([]string, len(expressionNames))
	for i, name := range expressionNames {
		columns[i] = "? AS " + schema.Quote(name)
	}
	return `SELECT (` + schema.WithNames(expr, expressionNames) + "\n" + `) FROM (SELECT ` + strings.Join(columns, ", ") + `)`
}

// expression returns the function that a policy's expression is. An error of
// the expression's for certain values must stop nothing: the later one stands.
func (t *tx) expression(expr string) func(local, remote wire.Value, localHLC, remoteHLC merge.HLC) (wire.Value, error) {
	query := expressionQuery(expr)
	s := t.s
	return func(local, remote wire.Value, localHLC, remoteHLC merge.HLC) (v wire.Value, err error) {
		err = s.w.Query(func(row []any) error {
			v = row[0]
			return nil
		}, query, local, remote, int64(localHLC.Seal()), int64(remoteHLC.Seal()))
		if err != nil {
			s.log.Warn("a merge expression fails, the later value stands", "expression", expr, "err", err)
			v = remote
		}
		return v, nil
	}
}

// checkExpression says what is wrong with an expression, nil if nothing is.
// SQLite allows in an index exactly what we need: functions of the values and
// of nothing else, the same every time.
func checkExpression(ctx context.Context, expr string) error {
	if strings.TrimSpace(expr) == "" {
		return fmt.Errorf("it is empty; write one of %s", strings.Join(expressionNames, ", "))
	}
	if !schema.OneExpression(expr) {
		return errors.New("it is not one expression")
	}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	columns := make([]string, len(expressionNames))
	for i, name := range expressionNames {
		columns[i] = schema.Quote(name)
	}
	if _, err := db.ExecContext(ctx, `CREATE TABLE merge (`+strings.Join(columns, ", ")+`)`); err != nil {
		return err
	}
	named := schema.WithNames(expr, expressionNames)
	if _, err := db.ExecContext(ctx, `SELECT (`+named+"\n"+`) FROM merge`); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `CREATE INDEX pure ON merge ((`+named+"\n"+`))`); err != nil {
		return err
	}
	return nil
}
