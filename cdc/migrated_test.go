package cdc_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"sqlsync/migrations"
)

// migrated is a database that has sqlsync's tables and nothing else. Making them
// is a third of what short tests do under the race detector.
var migrated = sync.OnceValue(func() []byte {
	dir, err := os.MkdirTemp("", "sqlsync")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "migrated.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		panic(err)
	}
	if err := errors.Join(migrations.Up(context.Background(), db), db.Close()); err != nil {
		panic(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return file
})
