package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"sqlsync/schema"
)

// A column's collation is the one that SQLite compares it by, whatever its
// indexes compare by and however it is declared.
func TestOwnCollation(t *testing.T) {
	for _, columns := range []string{
		`a TEXT, b TEXT COLLATE NOCASE, c COLLATE "RTRIM" NOT NULL`,
		`a TEXT PRIMARY KEY COLLATE nocase, b DEFAULT 'x' COLLATE [RTRIM] /* COLLATE NOCASE */, c COLLATE NOCASE COLLATE BINARY`,
		`a CHECK (a <> 'x' COLLATE NOCASE), b DEFAULT ('x' COLLATE NOCASE), c DEFAULT 'COLLATE NOCASE'`,
		`a NUMERIC (10, 2) COLLATE NOCASE, "b, COLLATE NOCASE" TEXT, c CONSTRAINT n COLLATE RTRIM REFERENCES t (a)`,
		`a TEXT, b TEXT COLLATE NOCASE, c TEXT, UNIQUE (a COLLATE NOCASE), UNIQUE (b COLLATE BINARY), UNIQUE (c)`,
		`a TEXT, b AS (a COLLATE NOCASE), c AS (a) STORED COLLATE NOCASE, PRIMARY KEY (a COLLATE RTRIM)`,
	} {
		db := open(t, `CREATE TABLE t (`+columns+`)`)
		exec(t, db, `ALTER TABLE t ADD COLUMN late TEXT DEFAULT 'a' COLLATE NOCASE /* COLLATE RTRIM */`)
		exec(t, db, `CREATE UNIQUE INDEX i ON t (late COLLATE RTRIM)`)
		tab, err := schema.Load(t.Context(), db, "t")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range tab.Columns {
			for collation, pair := range map[string][2]string{"NOCASE": {"a", "A"}, "RTRIM": {"a", "a "}} {
				equal := false
				q := fmt.Sprintf(`SELECT x = '%s' FROM (SELECT %s AS x FROM t WHERE 0 UNION ALL SELECT '%s' LIMIT 1)`, pair[1], schema.Quote(c.Name), pair[0])
				if err := db.QueryRow(q).Scan(&equal); err != nil {
					t.Fatal(err)
				}
				if equal != strings.EqualFold(c.Collation, collation) {
					t.Errorf("(%s): %s has %q, and %q = %q is %v", columns, c.Name, c.Collation, pair[0], pair[1], equal)
				}
			}
		}
	}
}

// Rows have one identity: the table's WHERE and the key's index must agree
// which of them are the same.
func TestKeyCollation(t *testing.T) {
	for _, c := range []struct {
		name, sql string
		key       string
		cause     string
	}{
		{name: "primary key coarser than its column", sql: `CREATE TABLE t (a TEXT, PRIMARY KEY (a COLLATE NOCASE))`, cause: "by NOCASE"},
		{name: "without rowid", sql: `CREATE TABLE t (a TEXT, PRIMARY KEY (a COLLATE NOCASE)) WITHOUT ROWID`, cause: "by NOCASE"},
		{name: "finer", sql: `CREATE TABLE t (a TEXT COLLATE NOCASE, PRIMARY KEY (a COLLATE BINARY))`, cause: "by BINARY"},
		{name: "second column", sql: `CREATE TABLE t (a TEXT, b TEXT, PRIMARY KEY (a, b COLLATE RTRIM))`, cause: "column b of the key by RTRIM"},
		{name: "the column's", sql: `CREATE TABLE t (a TEXT COLLATE NOCASE, PRIMARY KEY (a COLLATE nocase))`},
		{name: "named", sql: `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL); CREATE UNIQUE INDEX i ON t (a COLLATE NOCASE)`, key: "a", cause: "by NOCASE"},
		{name: "named, finer", sql: `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL COLLATE NOCASE); CREATE UNIQUE INDEX i ON t (a COLLATE BINARY)`, key: "a", cause: "by BINARY"},
		{name: "named, one of two fits", sql: `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL); CREATE UNIQUE INDEX j ON t (a); CREATE UNIQUE INDEX i ON t (a COLLATE NOCASE)`, key: "a"},
		{name: "named, the other of two fits", sql: `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL); CREATE UNIQUE INDEX j ON t (a COLLATE NOCASE); CREATE UNIQUE INDEX i ON t (a)`, key: "a"},
		{name: "beside the key", sql: `CREATE TABLE t (a TEXT PRIMARY KEY, UNIQUE (a COLLATE NOCASE))`},
		{name: "INTEGER PRIMARY KEY", sql: `CREATE TABLE t (a INTEGER PRIMARY KEY COLLATE NOCASE)`},
		{name: "not to be proposed", sql: `CREATE TABLE t (a TEXT NOT NULL UNIQUE COLLATE RTRIM, b TEXT NOT NULL, UNIQUE (b COLLATE NOCASE))`, cause: "no primary key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var key []string
			if c.key != "" {
				key = []string{c.key}
			}
			remedy := "COLLATE"
			if c.name == "not to be proposed" {
				remedy = "--key a"
			}
			checkRefusal(t, verdict(t, open(t, c.sql), "t", key), "t", c.cause, remedy)
		})
	}
}
