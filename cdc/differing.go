package cdc

import (
	"context"
	"fmt"
)

// Differing says of which tables rows were last found to differ from their
// metadata, and how many.
func (s *Store) Differing(ctx context.Context) (map[string]int64, error) {
	rows, err := s.db.QueryxContext(ctx, `SELECT t.name, d.rows FROM sqlsync_differing AS d
		JOIN sqlsync_table AS t ON t.id = d.table_id WHERE t.watched`)
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	defer rows.Close()
	m := make(map[string]int64)
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, fmt.Errorf("read findings: %w", err)
		}
		m[name] = n
	}
	return m, rows.Err()
}

// noteDiffering notes how many rows of a table differ. It writes only where
// that is news.
func (s *Store) noteDiffering(ctx context.Context, table, rows int64) error {
	var had int64
	err := s.get(ctx, &had, `SELECT coalesce((SELECT rows FROM sqlsync_differing WHERE table_id = ?), 0)`, table)
	if err == nil && had != rows {
		err = s.write(ctx, func(t *tx) error {
			if rows == 0 {
				_, err := t.Exec(`DELETE FROM sqlsync_differing WHERE table_id = ?`, table)
				return err
			}
			_, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_differing (table_id, rows, found) VALUES (?, ?, ?)`, table, rows, t.now.UnixMilli())
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("note findings: %w", err)
	}
	return nil
}
