package cdc

import (
	"context"
	"fmt"

	"sqlsync/merge"
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
			`UPDATE OR REPLACE sqlsync_disagreement SET node = ? WHERE kind = 'watch' AND node = ?`,
		} {
			if _, err := t.Exec(q, next[:], old[:]); err != nil {
				return fmt.Errorf("follow remote: %w", err)
			}
		}
		n, err := t.Exec(`UPDATE sqlsync_remote SET key = ?, former = ? WHERE key = ?`, next[:], old[:], old[:])
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
