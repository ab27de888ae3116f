package cdc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sqlsync/merge"
)

// ErrBanned says that a key is of a remote that was removed in an emergency.
var ErrBanned = errors.New("the key is of a remote that was removed in an emergency")

// Shut says why the remote is refused and not dialed, "" if it is neither.
func (r *Remote) Shut(now time.Time) string {
	switch {
	case r.Disabled:
		return "disabled"
	case !r.Expires.IsZero() && !now.Before(r.Expires):
		return "expired " + r.Expires.Format(time.RFC3339)
	}
	return ""
}

// EnableRemote has a remote exchanged with, or not. What it has confirmed stays
// known; for how long nothing is pruned that it has not, MaxOffline says.
func (s *Store) EnableRemote(ctx context.Context, name string, on bool) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.Exec(`UPDATE sqlsync_remote SET disabled = ? WHERE name = ?`, !on, name)
		switch {
		case err != nil:
			return fmt.Errorf("change remote: %w", err)
		case n == 0:
			return fmt.Errorf("%w: %q", ErrNoRemote, name)
		}
		return t.changed()
	})
}

// BanRemote forgets a remote, and lets its key in no more: not by a ticket, nor
// by AddRemote, until Readmit.
func (s *Store) BanRemote(ctx context.Context, name string) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_banned (key, name, at) SELECT key, name, ? FROM sqlsync_remote WHERE name = ?`,
			t.now.UnixMilli(), name); err != nil {
			return fmt.Errorf("remove remote: %w", err)
		}
		return t.removeRemote(name)
	})
}

// Readmit lets a key be added again.
func (s *Store) Readmit(ctx context.Context, key merge.NodeID) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.Exec(`DELETE FROM sqlsync_banned WHERE key = ?`, key[:])
		return err
	})
}

// checkBan gives ErrBanned for a key that was removed in an emergency.
func (t *tx) checkBan(key merge.NodeID) error {
	var banned error
	err := t.Query(func(row []any) error {
		banned = fmt.Errorf("%w (%q, at %s)", ErrBanned, row[0], time.UnixMilli(row[1].(int64)).UTC().Format(time.RFC3339))
		return nil
	}, `SELECT name, at FROM sqlsync_banned WHERE key = ?`, key[:])
	return errors.Join(err, banned)
}
