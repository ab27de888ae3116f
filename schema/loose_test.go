package schema_test

import (
	"database/sql"
	"strings"
	"testing"
)

// The application may drop an index and then what was in it, without anybody
// having looked in between; what it writes afterwards is marked as before.
func TestDropOfWhatWasUnique(t *testing.T) {
	for _, c := range []struct{ name, columns, index, key, drop string }{
		{"column", "mail TEXT", "(mail)", "", "mail"},
		{"two columns", "mail TEXT, site INT", "(site, mail)", "", "site mail"},
		{"one of two", "mail TEXT, site INT", "(site, mail)", "", "site"},
		{"collation", "mail TEXT", "(mail COLLATE NOCASE DESC)", "", "mail"},
		{"filter", "slot INT, done INT", "(slot) WHERE done = 0", "", "done slot"},
		{"expression", "mail TEXT, site INT", "(lower(mail), substr(mail, 1, site)) WHERE length(mail) > 3", "", "mail site"},
		{"default", "mail TEXT NOT NULL DEFAULT 'none'", "(mail)", "", "mail"},
		{"quoted", `"e ""mail" TEXT`, `("e ""mail")`, "", `"e ""mail"`},
		{"generated", "mail TEXT, low TEXT AS (lower(mail))", "(low)", "", "low mail"},
		{"key", "mail TEXT NOT NULL", "(mail)", "mail", "mail"},
		{"only key", "mail TEXT NOT NULL", "(mail)", "mail", "mail"},
		{"key of two", "mail TEXT NOT NULL, site INT NOT NULL", "(mail, site)", "mail site", "site mail"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := "id INTEGER PRIMARY KEY"
			if strings.HasPrefix(c.name, "only") {
				id = "id INTEGER"
			}
			db := open(t, `CREATE TABLE users (`+id+`, n INTEGER, `+c.columns+`)`, `CREATE UNIQUE INDEX by_it ON users `+c.index)
			capture(t, db, "users", strings.Fields(c.key)...)
			exec(t, db, `BEGIN`)
			exec(t, db, `DROP INDEX by_it`)
			drop := strings.Fields(c.drop)
			if strings.HasPrefix(c.drop, `"`) {
				drop = []string{c.drop}
			}
			for _, column := range drop {
				exec(t, db, `ALTER TABLE users DROP COLUMN `+column)
			}
			exec(t, db, `INSERT INTO users (id, n) VALUES (1, 1), (2, 2), (3, 3)`)
			exec(t, db, `UPDATE users SET n = 5 WHERE id = 2`)
			exec(t, db, `UPDATE users SET id = 6 WHERE id = 2`)
			exec(t, db, `REPLACE INTO users (id, n) VALUES (6, 6)`)
			exec(t, db, `DELETE FROM users WHERE id = 3`)
			exec(t, db, `COMMIT`)
			if got := marks(t, db); c.key == "" && got != "1 2 3 6" {
				t.Errorf("marked %q, want 1 2 3 6", got)
			}
		})
	}
}

// An index that is there displaces rows as before, whatever its table's name.
func TestDisplacedInTableCalledNew(t *testing.T) {
	for _, unique := range []string{`mail TEXT UNIQUE)`, `mail TEXT); CREATE UNIQUE INDEX by_mail ON "new" (lower(mail))`} {
		db := open(t, `CREATE TABLE "new" (id INTEGER PRIMARY KEY, `+unique, `INSERT INTO "new" VALUES (1, 'a'), (2, 'b'), (3, 'c')`)
		capture(t, db, "new")
		exec(t, db, `REPLACE INTO "new" VALUES (4, 'a')`)
		exec(t, db, `UPDATE OR REPLACE "new" SET mail = 'b' WHERE id = 4`)
		if got := marks(t, db); got != "1 2 4" {
			t.Errorf("marked %q, want 1 2 4", got)
		}
	}
}

// What REPLACE removes by an index that does not compare as its columns do, or
// is of a part of the rows, is marked.
func TestDisplacedByOddIndexes(t *testing.T) {
	for _, c := range []struct{ name, table, index, rows, do, want string }{
		{"filter on the id that is chosen", `id INTEGER PRIMARY KEY, u, v`, `(v + 1) WHERE id > 0`, `(1, 'a', 1)`, `REPLACE INTO t (u, v) VALUES ('n', 1)`, "1 2"},
		{"filter on the rowid", `id TEXT PRIMARY KEY, u, v`, `(lower(v)) WHERE rowid > 0`, `('a', 1, 'x')`, `REPLACE INTO t VALUES ('b', 2, 'X')`, "'a' 'b'"},
		{"filter on the rowid that is given", `id TEXT PRIMARY KEY, u, v`, `(lower(v)) WHERE OID > 5`, `('a', 1, 'x'); UPDATE t SET rowid = 7`, `REPLACE INTO t (oid, id, v) VALUES (9, 'b', 'X')`, "'a' 'b'"},
		{"filter on the rowid that is the key", `id INTEGER PRIMARY KEY, u, v`, `(lower(v)) WHERE rowid > 0`, `(1, 1, 'x')`, `REPLACE INTO t (v) VALUES ('X')`, "1 2"},
		{"id that was given before", `id INTEGER PRIMARY KEY AUTOINCREMENT, u, v`, `(id % 3, lower(v))`, `(1, 0, 'a'), (2, 0, 'b'), (3, 0, 'c'); DELETE FROM t WHERE id > 1`, `REPLACE INTO t (v) VALUES ('a')`, "1 4"},
		{"filter with an affinity", `id INTEGER PRIMARY KEY, u INT, v`, `(lower(v)) WHERE u = '5'`, `(1, 5, 'A')`, `REPLACE INTO t VALUES (9, 5, 'A')`, "1 9"},
		{"filter with a collation", `id INTEGER PRIMARY KEY, u TEXT NOT NULL DEFAULT 'x' COLLATE NOCASE, v`, `(v) WHERE u = 'X'`, `(1, 'x', 3)`, `REPLACE INTO t (id, v) VALUES (9, 3)`, "1 9"},
		{"finer than the column", `id INTEGER PRIMARY KEY, u TEXT COLLATE NOCASE, v`, `(u COLLATE BINARY)`, `(1, 'a', 0), (2, 'A', 0)`, `UPDATE OR REPLACE t SET u = 'A' WHERE id = 1`, "1 2"},
		{"constraint with a collation", `id INTEGER PRIMARY KEY, u TEXT, v, UNIQUE (u COLLATE NOCASE)`, ``, `(1, 'a', 0)`, `REPLACE INTO t VALUES (5, 'A', 1)`, "1 5"},
		{"coarser than the key", `id TEXT PRIMARY KEY, u, v`, `(id COLLATE NOCASE)`, `('a', 1, 0)`, `REPLACE INTO t VALUES ('A', 2, 0)`, "'A' 'a'"},
		{"comment", `id INTEGER PRIMARY KEY, u, v`, "(u /* is\n*/) WHERE v > 0 -- only\n", `(1, 'a', 1)`, `REPLACE INTO t VALUES (9, 'a', 1)`, "1 9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := open(t, `CREATE TABLE t (`+c.table+`)`)
			if c.index != "" {
				exec(t, db, `CREATE UNIQUE INDEX i ON t `+c.index)
			}
			exec(t, db, `INSERT INTO t VALUES `+c.rows)
			capture(t, db, "t")
			exec(t, db, c.do)
			if got := marks(t, db); got != c.want {
				t.Errorf("marked %q, want %q", got, c.want)
			}
		})
	}
}

// What an index computes of a new row is not computed of one that a CHECK
// refuses: it may fail there, and the statement would say so.
func TestCheckBeforeExpression(t *testing.T) {
	for _, c := range []struct{ name, table, index string }{
		{"of the column", `j TEXT CHECK (json_valid(j))`, `(json_extract(j, '$.k'))`},
		{"of the table", `j TEXT, CONSTRAINT is_json CHECK (t.j IS NULL OR json_valid("t"."j") /* not "bad" */)`, `(j ->> '$.k')`},
		{"in a filter", `j TEXT CHECK (json_valid(j)), n DEFAULT 1 CHECK (typeof(n) <> 'text')`, `(lower(j)) WHERE json_extract(j, '$.k') > 0`},
		{"both", `j TEXT CHECK (json_valid(j)), n DEFAULT 1`, `(json_extract(j, '$.k'), json_type(j, '$.k')) WHERE json_array_length(j) = 0 AND n > 0`},
		{"loosely", `j TEXT CHECK (json_valid(j)), n DEFAULT 1 CHECK (n > 0)`, `(json_extract(j, '$.k'))`},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := open(t, `CREATE TABLE t (id INTEGER PRIMARY KEY, `+c.table+`)`,
				`CREATE UNIQUE INDEX i ON t `+c.index)
			capture(t, db, "t")
			exec(t, db, `INSERT INTO t (id, j) VALUES (1, '{"k": 1}'), (2, '{"k": 2}')`)
			exec(t, db, `INSERT OR IGNORE INTO t (id, j) VALUES (3, 'bad')`)
			exec(t, db, `UPDATE OR IGNORE t SET j = 'bad'`)
			for _, q := range []string{`INSERT INTO t (id, j) VALUES (3, 'bad')`, `UPDATE t SET j = 'bad'`} {
				if _, err := db.Exec(q); err == nil || !strings.Contains(err.Error(), "CHECK") {
					t.Errorf("%s: %v", q, err)
				}
			}
			marks(t, db)
			exec(t, db, `REPLACE INTO t (id, j) VALUES (4, '{"k": 1}')`)
			exec(t, db, `UPDATE OR REPLACE t SET j = '{"k": 2}' WHERE id = 4`)
			if got := marks(t, db); got != "1 2 4" {
				t.Errorf("marked %q, want 1 2 4", got)
			}
			exec(t, db, `DROP INDEX i`)
			if c.name != "of the table" {
				exec(t, db, `ALTER TABLE t DROP COLUMN j`)
			}
			exec(t, db, `INSERT INTO t (id) VALUES (9)`)
		})
	}
}

// A text in double quotes is one for the library that made the table, and a
// name for another.
func TestTextsInDoubleQuotes(t *testing.T) {
	path := t.TempDir() + "/a.db"
	for _, options := range []string{"?_dqs=1", "?_dqs=0"} {
		db, err := sql.Open("sqlite", "file:"+path+options)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		if options == "?_dqs=1" {
			exec(t, db, `CREATE TABLE t (id INTEGER PRIMARY KEY, j TEXT CHECK (json_type(j) IN ("object", "array")))`)
			exec(t, db, `CREATE UNIQUE INDEX i ON t (json_extract(j, "$.k"), lower("j" || "j ")) WHERE j <> "x"`)
			capture(t, db, "t")
		}
		exec(t, db, `REPLACE INTO t (j) VALUES ('{"k": 1}')`)
	}
}
