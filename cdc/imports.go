package cdc

import (
	"context"
	"database/sql"
	"fmt"

	"sqlsync/merge"
)

// Import is a snapshot file of which a dataset has taken a part, or nothing yet.
type Import struct{ Dataset, File string }

// BeginImport notes that the dataset is to be had from a snapshot file, for which
// its checksum stands in place of a peer. It is forgotten when that, or another
// file, was taken whole.
func (d *Stream) BeginImport(ctx context.Context, checksum merge.NodeID, file string) error {
	return d.s.write(ctx, func(t *tx) error {
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		if _, err := t.Exec(`INSERT OR IGNORE INTO sqlsync_snapshot (dataset_id, peer, cursor, heads) VALUES (?, ?, x'', x'5b5d')`, ds.id, checksum[:]); err != nil {
			return fmt.Errorf("begin import: %w", err)
		}
		if _, err := t.Exec(`UPDATE sqlsync_snapshot SET file = ? WHERE dataset_id = ? AND peer = ?`, file, ds.id, checksum[:]); err != nil {
			return fmt.Errorf("begin import: %w", err)
		}
		return nil
	})
}

// endImport forgets all imports of a dataset when the one of a file has ended.
func (t *tx) endImport(ds *dataset, peer merge.NodeID) error {
	_, err := t.Exec(`DELETE FROM sqlsync_snapshot WHERE dataset_id = ?1 AND file IS NOT NULL
		AND EXISTS (SELECT 1 FROM sqlsync_snapshot WHERE dataset_id = ?1 AND peer = ?2 AND file IS NOT NULL)`, ds.id, peer[:])
	return err
}

// rowsQuerier is a database or a connection.
type rowsQuerier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// readImports lists the imports that were begun and have not ended.
func readImports(ctx context.Context, db rowsQuerier) (list []Import, err error) {
	rows, err := db.QueryContext(ctx, `SELECT d.name, s.file FROM sqlsync_dataset AS d JOIN sqlsync_snapshot AS s ON s.dataset_id = d.id
		WHERE s.file IS NOT NULL ORDER BY d.name, s.file`)
	if err != nil {
		return nil, fmt.Errorf("read imports: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var i Import
		if err := rows.Scan(&i.Dataset, &i.File); err != nil {
			return nil, fmt.Errorf("read imports: %w", err)
		}
		list = append(list, i)
	}
	return list, rows.Err()
}

// verifyImports finds those.
func (v *verifier) verifyImports(ctx context.Context) error {
	list, err := readImports(ctx, v.s.db)
	for _, i := range list {
		if err == nil {
			err = v.found(Finding{Kind: UnfinishedImport, Detail: fmt.Sprintf("dataset %s has only a part of %s, whose import was broken off", i.Dataset, i.File)})
		}
	}
	return err
}
