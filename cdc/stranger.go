package cdc

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sqlsync/merge"
)

const (
	// MaxStrangers is how many strangers are kept: those seen last.
	MaxStrangers = 64
	strangersFor = 7 * 24 * time.Hour
)

// Stranger is a node that proved its key and is no remote.
type Stranger struct {
	Key merge.NodeID
	// Addr is where it came from last, Tries how often it came.
	Addr  string
	Tries int64
	Seen  time.Time
}

// NoteStrangers adds to what is known of strangers. Those not seen for a week,
// and all but the last MaxStrangers, are forgotten.
func (s *Store) NoteStrangers(ctx context.Context, list []Stranger) error {
	return s.write(ctx, func(t *tx) error {
		for _, x := range list {
			n, err := t.Exec(`UPDATE sqlsync_stranger SET addr = ?, tries = tries + ?, seen = ? WHERE key = ?`,
				x.Addr, x.Tries, x.Seen.UnixMilli(), x.Key[:])
			if err == nil && n == 0 {
				_, err = t.Exec(`INSERT INTO sqlsync_stranger (key, addr, tries, seen) VALUES (?, ?, ?, ?)`,
					x.Key[:], x.Addr, x.Tries, x.Seen.UnixMilli())
			}
			if err != nil {
				return fmt.Errorf("note stranger: %w", err)
			}
		}
		_, err := t.Exec(`DELETE FROM sqlsync_stranger WHERE seen < ? OR key NOT IN
			(SELECT key FROM sqlsync_stranger ORDER BY seen DESC, key LIMIT ?)`, t.now.Add(-strangersFor).UnixMilli(), MaxStrangers)
		if err != nil {
			return fmt.Errorf("forget strangers: %w", err)
		}
		return nil
	})
}

// Strangers lists them, who was seen last first.
func (s *Store) Strangers(ctx context.Context) ([]Stranger, error) {
	rows, err := s.db.QueryxContext(ctx, `SELECT key, addr, tries, seen FROM sqlsync_stranger WHERE seen >= ? ORDER BY seen DESC, key`,
		s.now().Add(-strangersFor).UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("read strangers: %w", s.explain(err))
	}
	defer rows.Close()
	var list []Stranger
	for rows.Next() {
		var x Stranger
		var key []byte
		var seen int64
		if err := rows.Scan(&key, &x.Addr, &x.Tries, &seen); err != nil {
			return nil, fmt.Errorf("read strangers: %w", err)
		}
		if len(key) != len(x.Key) {
			return nil, fmt.Errorf("read strangers: %w", errDamaged)
		}
		x.Key, x.Seen = merge.NodeID(key), time.UnixMilli(seen).UTC()
		list = append(list, x)
	}
	return slices.Clip(list), rows.Err()
}

// forgetStranger is for one that has become a remote.
func (t *tx) forgetStranger(key merge.NodeID) error {
	_, err := t.Exec(`DELETE FROM sqlsync_stranger WHERE key = ?`, key[:])
	return err
}
