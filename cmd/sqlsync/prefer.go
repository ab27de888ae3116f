package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/schema"
)

// preference settles which row stands where two nodes had different ones before
// they met. By the rules of merging it is that of who watched the table first,
// everywhere; where that is not the preferred side, the row that lost is written
// again, as an application would: an ordinary, later update.
type preference struct {
	store *cdc.Store
	mine  bool
	// before are conflicts from earlier meetings.
	before map[string]bool
}

func newPreference(ctx context.Context, prefer string, store *cdc.Store) (*preference, error) {
	list, err := store.Conflicts(ctx)
	if err != nil {
		return nil, err
	}
	p := &preference{store: store, mine: prefer == "mine", before: make(map[string]bool)}
	for _, c := range list {
		p.before[c.ID] = true
	}
	return p, nil
}

// wrong reports whether the side that is not preferred won.
func (p *preference) wrong(c cdc.Conflict) bool {
	if c.Kind != string(merge.KindBaseline) || p.before[c.ID] || len(c.Loser) == 0 {
		return false
	}
	if p.mine {
		return p.store.Mine(c.LoserVersion.Origin)
	}
	return p.store.Mine(c.WinnerVersion.Origin)
}

// enforce writes what lost to the wrong side again, and returns in how many rows.
// A row that has changed since is left alone.
func (p *preference) enforce(ctx context.Context) (n int, err error) {
	list, err := p.store.Conflicts(ctx)
	if err != nil {
		return 0, err
	}
	list = slices.DeleteFunc(list, func(c cdc.Conflict) bool { return !p.wrong(c) })
	if len(list) == 0 {
		return 0, nil
	}
	db, err := sql.Open("sqlite", cdc.AppDSN(p.store.Path()))
	if err != nil {
		return 0, err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("write preferred rows: %w", err)
	}
	defer tx.Rollback()
	for _, c := range list {
		query, args := again(c)
		result, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return 0, fmt.Errorf("write preferred row of %s: %w", c.Table, err)
		}
		if rows, err := result.RowsAffected(); err == nil {
			n += int(rows)
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("write preferred rows: %w", err)
	}
	return n, nil
}

// again is the statement that gives a row back what it lost, if it still has what
// won.
func again(c cdc.Conflict) (query string, args []any) {
	var set, where []string
	for _, v := range c.Loser {
		set = append(set, schema.Quote(v.Name)+" = ?")
		args = append(args, v.Value)
	}
	for _, v := range slices.Concat(c.Key, c.Winner) {
		where = append(where, schema.Quote(v.Name)+" IS ?")
		args = append(args, v.Value)
	}
	return "UPDATE " + schema.Quote(c.Table) + " SET " + strings.Join(set, ", ") + " WHERE " + strings.Join(where, " AND "), args
}
