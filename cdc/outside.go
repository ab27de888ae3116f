package cdc

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/schema"
)

// What can be asked of a file that is no node, without making it one. Nothing
// here writes.

// TablesOf lists the tables of a file that is no node, with the verdicts that
// Store.Tables would give.
func TablesOf(ctx context.Context, path string) (list []TableStatus, err error) {
	err = inspect(ctx, path, func(db *sql.DB) error {
		names, err := schema.Names(ctx, db)
		if err != nil {
			return err
		}
		for _, name := range names {
			st := TableStatus{Name: name, Rows: -1}
			err := st.judge(ctx, db, func(def *schema.Table, key schema.Key) error { return schema.Check(ctx, db, def, key) })
			if err != nil {
				return fmt.Errorf("table %s: %w", name, err)
			}
			var n int64
			if err := db.QueryRowContext(ctx, `SELECT count(*) FROM main.`+schema.Quote(name)).Scan(&n); err == nil {
				st.Rows = n
			}
			list = append(list, st)
		}
		return nil
	})
	if err == nil && slices.ContainsFunc(list, func(st TableStatus) bool { return callsFunction(st.Refused) }) {
		err = reconsider(ctx, path, list)
	}
	return list, err
}

// DigestOf digests tables of a file that is no node, as Store.Digest would.
func DigestOf(ctx context.Context, path string, tables []string) (out map[string]Digest, err error) {
	err = inspect(ctx, path, func(db *sql.DB) error {
		c, err := sqlconn.Open(ctx, db)
		if err != nil {
			return err
		}
		defer c.Close()
		out, err = digestTables(ctx, c, tables, nil)
		return err
	})
	return out, err
}

// Judge says which tables Store.Watch would refuse in a file that is no node.
func Judge(ctx context.Context, path string, names []string, o WatchOptions) (list []Verdict, err error) {
	err = inspect(ctx, path, func(db *sql.DB) error {
		for _, name := range names {
			v := Verdict{Table: name}
			err := judge(ctx, db, &v.Table, o)
			if callsFunction(err) { // whether that is in the way is seen when it is watched
				err = nil
			}
			if v.Refused = refusal(err); v.Refused == nil && err != nil {
				return fmt.Errorf("watch %s: %w", name, err)
			}
			list = append(list, v)
		}
		return nil
	})
	return list, err
}

func judge(ctx context.Context, q schema.Queryer, name *string, o WatchOptions) error {
	def, err := schema.Load(ctx, q, *name)
	if err != nil {
		return err
	}
	*name = def.Name
	key, err := def.Key(o.Key)
	if err != nil {
		return err
	}
	if err := schema.Check(ctx, q, def, key); err != nil {
		return err
	}
	return o.merging(merging{policy: policyLWW}).check(def, key)
}

// refusal returns err if it is about a table that cannot be watched, else nil.
func refusal(err error) error {
	var refused *schema.Refusal
	var missing *schema.NoTable
	if errors.As(err, &refused) || errors.As(err, &missing) {
		return err
	}
	return nil
}
