// Package migrations holds the SQL of sqlsync's own tables and brings a
// database up to it. The numbered files beside this one are the documentation
// of the tables.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:embed *.sql
var files embed.FS

// VersionTable records which migrations were applied.
const VersionTable = "sqlsync_version"

// Latest is the version that Up leads to.
const Latest = 46

// ErrNewer says that a newer sqlsync has migrated the database.
var ErrNewer = errors.New("database was migrated by a newer sqlsync")

// Version returns the version of the tables in db, 0 where there are none.
func Version(ctx context.Context, db *sql.DB) (int64, error) {
	s := versionStore{}
	switch ok, err := s.TableExists(ctx, db); {
	case err != nil:
		return 0, fmt.Errorf("read version of own tables: %w", err)
	case !ok:
		return 0, nil
	}
	v, err := s.GetLatestVersion(ctx, db)
	if errors.Is(err, database.ErrVersionNotFound) {
		return 0, nil
	}
	return v, err
}

// Up creates or upgrades sqlsync's tables. It changes nothing, and takes no
// lock, where they are up to date. Each migration is one transaction; db's
// transactions must begin IMMEDIATE, so that two processes do not migrate at
// once.
func Up(ctx context.Context, db *sql.DB) error {
	v, err := Version(ctx, db)
	for err == nil && v < Latest {
		was := v
		uperr := up(ctx, db)
		// Another process may have been faster, and be in the middle of it.
		if v, err = Version(ctx, db); err == nil && v <= was {
			return uperr
		}
	}
	if err == nil && v > Latest {
		err = fmt.Errorf("%w (its tables have version %d, this program knows %d)", ErrNewer, v, Latest)
	}
	return err
}

func up(ctx context.Context, db *sql.DB) error {
	p, err := goose.NewProvider("", db, files,
		goose.WithStore(versionStore{}), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("load migrations: %w", err)
	}
	if _, err = p.Up(ctx); err != nil {
		return fmt.Errorf("migrate own tables: %w", err)
	}
	return nil
}
