package migrations_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"sqlsync/migrations"
)

func open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "a.db")+"?_txlock=immediate&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestUpIsRepeatable(t *testing.T) {
	db := open(t)
	for range 2 {
		if err := migrations.Up(t.Context(), db); err != nil {
			t.Fatal(err)
		}
	}
	v, err := migrations.Version(t.Context(), db)
	if err != nil || v != migrations.Latest {
		t.Fatalf("Version = %d, %v; want %d", v, err, migrations.Latest)
	}
}

func TestUpAtOnce(t *testing.T) {
	db := open(t)
	errs := make(chan error)
	for range 8 {
		go func() { errs <- migrations.Up(t.Context(), db) }()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestNewerIsRefused(t *testing.T) {
	db := open(t)
	if err := migrations.Up(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO sqlsync_version VALUES (99, '')`); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Up(t.Context(), db); err == nil || !strings.Contains(err.Error(), "newer sqlsync") {
		t.Fatalf("Up = %v, want ErrNewer", err)
	}
}

// An AUTOINCREMENT anywhere would make SQLite create sqlite_sequence, which
// cannot be dropped again.
func TestEverythingIsOurs(t *testing.T) {
	db := open(t)
	if err := migrations.Up(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	var names string
	err := db.QueryRow(`SELECT coalesce(group_concat(name), '') FROM sqlite_master
		WHERE name NOT LIKE 'sqlsync\_%' ESCAPE '\' AND tbl_name NOT LIKE 'sqlsync\_%' ESCAPE '\'`).Scan(&names)
	if err != nil || names != "" {
		t.Fatalf("objects that are not ours: %q, %v", names, err)
	}
}
