package cdc

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sqlsync/merge"
	"sqlsync/wire"
)

// LagSince tells when the oldest of the changes that Lag counts was made, zero
// where there are none.
func (s *Store) LagSince(ctx context.Context, dataset string, confirmed merge.Vector) (time.Time, error) {
	var oldest time.Time
	own, err := s.vector(ctx, dataset)
	if err != nil {
		return oldest, fmt.Errorf("read lag: %w", err)
	}
	for origin, p := range own {
		if p.Seq <= confirmed[origin].Seq {
			continue
		}
		var text []byte
		err := s.db.GetContext(ctx, &text, `SELECT b.sealed FROM sqlsync_batch AS b JOIN sqlsync_origin AS o ON o.id = b.origin_id
			WHERE b.dataset_id = (SELECT id FROM sqlsync_dataset WHERE name = ?) AND o.key = ? AND b.seq > ? ORDER BY b.seq LIMIT 1`,
			dataset, origin[:], int64(confirmed[origin].Seq))
		if errors.Is(err, sql.ErrNoRows) { // pruned
			continue
		}
		if err != nil {
			return oldest, fmt.Errorf("read lag: %w", err)
		}
		sealed, err := wire.ParseSealed(text)
		if err != nil {
			return oldest, fmt.Errorf("read lag: %w", errDamaged)
		}
		head, _, err := sealed.Header()
		if err != nil {
			return oldest, fmt.Errorf("read lag: %w", errDamaged)
		}
		if at := head.First.Time(); oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	return oldest, nil
}
