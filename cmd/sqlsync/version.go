package main

import (
	"context"
	"database/sql"
	"runtime"
	"runtime/debug"
)

// release is set by the linker for a release.
var release = ""

// version is this program's version.
func version() string {
	if release != "" {
		return release
	}
	if bi, ok := debug.ReadBuildInfo(); ok && bi.Main.Version != "" {
		return bi.Main.Version
	}
	return "(devel)"
}

type versionCmd struct{}

// Run prints versions.
func (versionCmd) Run(ctx context.Context, a *app) error {
	lib := sqliteVersion(ctx)
	if a.JSON {
		return a.printJSON(map[string]string{"version": version(), "go": runtime.Version(), "sqlite": lib})
	}
	a.printf("sqlsync %s, %s, SQLite %s\n", version(), runtime.Version(), lib)
	return nil
}

// sqliteVersion is that of the SQLite that is linked in.
func sqliteVersion(ctx context.Context) string {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return err.Error()
	}
	defer db.Close()
	var lib string
	if err := db.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&lib); err != nil {
		return err.Error()
	}
	return lib
}
