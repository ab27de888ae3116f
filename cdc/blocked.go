package cdc

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"sqlsync/merge"
)

// Blocked is a remote that keeps a dataset from being pruned: it has not
// confirmed what would otherwise go.
type Blocked struct {
	Remote, Dataset string
	// Batches is how many it has not confirmed.
	Batches int64
	// Seen is when it last confirmed something, or was added. Until is when it
	// will hold up nothing any more if it stays away, zero for never.
	Seen, Until time.Time
}

// Blocked lists the remotes that keep datasets from being pruned.
func (s *Store) Blocked(ctx context.Context) ([]Blocked, error) {
	return readBlocked(ctx, s.db.DB, s.now())
}

// readBlocked looks at the first batch of each chain that a remote has not
// confirmed, by index: it may be behind by very many.
func readBlocked(ctx context.Context, db *sql.DB, now time.Time) ([]Blocked, error) {
	rows, err := db.QueryContext(ctx, `SELECT d.name, r.name, r.datasets, r.push, r.directions, r.added, coalesce(r.seen, 0), coalesce(r.max_offline, ?), coalesce(d.retention, ?),
			coalesce(d.retention_bytes, 0) > 0 AND (SELECT sum(length(sealed)) FROM sqlsync_batch WHERE dataset_id = d.id) > d.retention_bytes,
			b.last, (SELECT count(*) FROM sqlsync_batch WHERE dataset_id = d.id AND origin_id = o.id AND seq >= b.seq)
		FROM sqlsync_dataset AS d CROSS JOIN sqlsync_remote AS r
		JOIN sqlsync_origin AS o ON o.key <> r.key
		JOIN sqlsync_batch AS b ON b.dataset_id = d.id AND b.origin_id = o.id AND b.seq = (SELECT min(seq) FROM sqlsync_batch
			WHERE dataset_id = d.id AND origin_id = o.id
			AND seq > coalesce((SELECT seq FROM sqlsync_watermark WHERE remote_id = r.id AND dataset_id = d.id AND origin_id = o.id), 0))
		ORDER BY d.id, r.name`, DefaultMaxOffline.Milliseconds(), DefaultRetention.Milliseconds())
	if err != nil {
		return nil, fmt.Errorf("read what blocks pruning: %w", err)
	}
	defer rows.Close()
	var list []Blocked
	for rows.Next() {
		var b Blocked
		var added string
		var datasets, directions sql.NullString
		var r Remote
		var seen, offline, retention int64
		var last sql.NullInt64
		var tooMuch bool
		if err := rows.Scan(&b.Dataset, &b.Remote, &datasets, &r.Push, &directions, &added, &seen, &offline, &retention, &tooMuch, &last, &b.Batches); err != nil {
			return nil, fmt.Errorf("read what blocks pruning: %w", err)
		}
		if r.Directions, err = readDirections(directions); err != nil {
			return nil, fmt.Errorf("read remote %s: %w", b.Remote, err)
		}
		if datasets.Valid && !strings.Contains(datasets.String, jsonText(b.Dataset)) || !r.Direction(b.Dataset).Push {
			continue
		}
		kept := time.Duration(retention) * time.Millisecond
		old := last.Valid && kept > 0 && merge.HLC(last.Int64) < merge.At(now.Add(-kept))
		b.Seen, b.Until = awayFrom(added, seen, offline)
		if !old && !tooMuch || !b.Until.IsZero() && now.After(b.Until) {
			continue
		}
		if n := len(list); n > 0 && list[n-1].Remote == b.Remote && list[n-1].Dataset == b.Dataset {
			list[n-1].Batches += b.Batches
			continue
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

// awayFrom is since when a remote is away, and until when that holds anything up,
// zero for ever.
func awayFrom(added string, seen, offline int64) (from, until time.Time) {
	from, _ = time.Parse(time.RFC3339, added)
	if at := time.UnixMilli(seen).UTC(); at.After(from) {
		from = at
	}
	if offline > 0 {
		until = from.Add(time.Duration(offline) * time.Millisecond)
	}
	return from, until
}
