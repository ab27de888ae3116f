package cdc

import (
	"context"
	"database/sql"
	"fmt"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/migrations"
)

// Rotate makes the file another node: what was committed is sealed by the present
// one, whose chain ends, and what follows is a chain of next's. Rows keep their
// versions; the batches stay, and are given to peers as any other origin's. The
// Store is of no use afterwards.
func (s *Store) Rotate(ctx context.Context, next merge.NodeID) error {
	for _, d := range s.Datasets() {
		if err := s.Seal(ctx, d); err != nil {
			return err
		}
	}
	return s.write(ctx, func(t *tx) error {
		if _, err := t.origin(next); err != nil {
			return err
		}
		if _, err := t.Exec(`UPDATE sqlsync_node SET key = ?, salt = NULL`, next[:]); err != nil {
			return fmt.Errorf("rotate key: %w", err)
		}
		return t.changed()
	})
}

// Reidentify makes a database another node, whoever it was: a copy, or one whose
// key is lost. Rows, batches, remotes and what is pending stay; what is sealed
// from now on is a chain of next's. Nobody may have it open.
func Reidentify(ctx context.Context, path string, next merge.NodeID) error {
	if err := Probe(ctx, path); err != nil {
		return err
	}
	pool, err := sql.Open("sqlite", sqlconn.DSN(path, "mode=rw", "_txlock=immediate", "_pragma=busy_timeout(10000)", "_pragma=synchronous(2)"))
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := migrations.Up(ctx, pool); err != nil {
		return err
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return (&Store{}).explain(err)
	}
	defer tx.Rollback()
	for _, q := range []string{
		`UPDATE sqlsync_node SET key = ?1, salt = NULL, renewed = NULL, why = NULL, witness = NULL, generation = generation + 1`,
		`UPDATE sqlsync_origin SET mine = NULL`,
		`INSERT INTO sqlsync_origin (id, key) SELECT 1 + max(id), ?1 FROM sqlsync_origin`,
	} {
		if _, err := tx.ExecContext(ctx, q, next[:]); err != nil {
			return fmt.Errorf("make it another node: %w", (&Store{}).explain(err))
		}
	}
	return (&Store{}).explain(tx.Commit())
}

// Succeed gives a remote the key that its present one has signed as its successor,
// which the caller has checked. Name and permissions stay. A key that another
// remote has, or this node, is ErrRemoteExists.
func (s *Store) Succeed(ctx context.Context, old, next merge.NodeID) error {
	return s.write(ctx, func(t *tx) error {
		if n, err := t.Int(`SELECT count(*) FROM sqlsync_remote WHERE key = ?`, next[:]); err != nil {
			return err
		} else if n > 0 || next == s.node {
			return fmt.Errorf("%w: the successor of %v is known", ErrRemoteExists, old)
		}
		for _, q := range []string{
			`UPDATE OR REPLACE sqlsync_absent SET node = ? WHERE node = ?`,
			`UPDATE OR REPLACE sqlsync_elsewhere SET node = ? WHERE node = ?`,
			`UPDATE OR REPLACE sqlsync_disagreement SET node = ? WHERE kind = 'watch' AND node = ?`,
		} {
			if _, err := t.Exec(q, next[:], old[:]); err != nil {
				return fmt.Errorf("follow remote: %w", err)
			}
		}
		n, err := t.Exec(`UPDATE sqlsync_remote SET key = ?, former = ?, learned = NULL, learned_said = NULL WHERE key = ?`, next[:], old[:], old[:])
		switch {
		case err != nil:
			return fmt.Errorf("follow remote: %w", err)
		case n == 0:
			return fmt.Errorf("%w with key %v", ErrNoRemote, old)
		}
		if err := t.forgetStranger(next); err != nil {
			return err
		}
		return t.changed()
	})
}
