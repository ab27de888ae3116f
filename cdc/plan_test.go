package cdc

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"sqlsync/schema"
)

// A range of keys is read by an index: never sorted, never from the beginning.
func TestRangesAreReadByIndex(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, create := range []string{
		`CREATE TABLE t (id INTEGER PRIMARY KEY, v)`,
		`CREATE TABLE t (v, a TEXT COLLATE NOCASE, b INTEGER, PRIMARY KEY (b, a))`,
		`CREATE TABLE t (v, a TEXT, b INTEGER, PRIMARY KEY (b, a)) WITHOUT ROWID`,
	} {
		exec := func(q string) {
			if _, err := db.Exec(q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		exec(create)
		def, err := schema.Load(t.Context(), db, "t")
		if err != nil {
			t.Fatal(err)
		}
		key, err := def.Key(nil)
		if err != nil {
			t.Fatal(err)
		}
		tab := &table{id: 1, name: "t", def: def, key: key, ds: &dataset{id: 1}}
		tab.tableSQL = newTableSQL(tab)
		exec(tab.createMeta())
		queries := []string{tab.verifyRows(false), tab.verifyRows(true), tab.verifyMeta(false), tab.verifyMeta(true)}
		if tab.integerKey() {
			tab.integerMeta = true
			queries = append(queries, tab.verifyRows(true), tab.recordsBetween(), tab.recordsAt(2), tab.packsBetween(), tab.packsAt(2))
		}
		for _, q := range queries {
			rows, err := db.Query(`EXPLAIN QUERY PLAN `+q, make([]any, strings.Count(q, "?"))...)
			if err != nil {
				t.Fatalf("%s: %v", q, err)
			}
			for rows.Next() {
				var id, parent, unused int
				var detail string
				if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
					t.Fatal(err)
				}
				scan := strings.HasPrefix(detail, "SCAN") && (strings.Contains(q, " > ") || strings.Contains(q, "max(k0)") && detail != "SCAN v" && !strings.Contains(detail, "CONSTANT ROW"))
				if strings.Contains(detail, "TEMP B-TREE") || strings.Contains(detail, "AUTOMATIC") || scan {
					t.Errorf("%s\n%s\n%s", create, q, detail)
				}
			}
			rows.Close()
		}
		exec(`DROP TABLE t`)
		exec(`DROP TABLE ` + tab.meta())
	}
}
