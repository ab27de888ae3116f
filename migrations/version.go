package migrations

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/pressly/goose/v3/database"
)

// versionStore is goose's version table without AUTOINCREMENT, so that nothing
// of ours makes SQLite create a sqlite_sequence table in the user's file.
type versionStore struct{}

var _ database.StoreExtender = versionStore{}

func (versionStore) Tablename() string { return VersionTable }

func (versionStore) TableExists(ctx context.Context, db database.DBTxConn) (bool, error) {
	var n int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM main.sqlite_master WHERE type = 'table' AND name = ?`, VersionTable).Scan(&n)
	return n > 0, err
}

func (versionStore) CreateVersionTable(ctx context.Context, db database.DBTxConn) error {
	_, err := db.ExecContext(ctx, `CREATE TABLE sqlsync_version (version INTEGER PRIMARY KEY, applied TEXT NOT NULL)`)
	return err
}

func (versionStore) Insert(ctx context.Context, db database.DBTxConn, req database.InsertRequest) error {
	_, err := db.ExecContext(ctx, `INSERT INTO sqlsync_version (version, applied) VALUES (?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))`, req.Version)
	return err
}

func (versionStore) Delete(ctx context.Context, db database.DBTxConn, version int64) error {
	_, err := db.ExecContext(ctx, `DELETE FROM sqlsync_version WHERE version = ?`, version)
	return err
}

func (versionStore) GetMigration(ctx context.Context, db database.DBTxConn, version int64) (*database.GetMigrationResult, error) {
	var applied string
	err := db.QueryRowContext(ctx, `SELECT applied FROM sqlsync_version WHERE version = ?`, version).Scan(&applied)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, database.ErrVersionNotFound
	}
	if err != nil {
		return nil, err
	}
	at, _ := time.Parse(time.RFC3339, applied) // informative only
	return &database.GetMigrationResult{Timestamp: at, IsApplied: true}, nil
}

func (versionStore) GetLatestVersion(ctx context.Context, db database.DBTxConn) (int64, error) {
	var v sql.NullInt64
	if err := db.QueryRowContext(ctx, `SELECT max(version) FROM sqlsync_version`).Scan(&v); err != nil {
		return 0, err
	}
	if !v.Valid {
		return 0, database.ErrVersionNotFound
	}
	return v.Int64, nil
}

func (versionStore) ListMigrations(ctx context.Context, db database.DBTxConn) ([]*database.ListMigrationsResult, error) {
	rows, err := db.QueryContext(ctx, `SELECT version FROM sqlsync_version ORDER BY version DESC`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*database.ListMigrationsResult
	for rows.Next() {
		r := &database.ListMigrationsResult{IsApplied: true}
		if err := rows.Scan(&r.Version); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}
