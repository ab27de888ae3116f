package schema_test

import (
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"sqlsync/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

// open makes a database. Without _dqs a name that is no column's would be a
// text, where an application's library may refuse it.
func open(t testing.TB, statements ...string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "a.db")+"?_dqs=0")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	for _, q := range statements {
		exec(t, db, q)
	}
	return db
}

func exec(t testing.TB, db *sql.DB, q string) {
	t.Helper()
	if _, err := db.Exec(q); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

func load(t testing.TB, db *sql.DB, name string, key ...string) (*schema.Table, schema.Key) {
	t.Helper()
	tab, err := schema.Load(t.Context(), db, name)
	if err != nil {
		t.Fatal(err)
	}
	k, err := tab.Key(key)
	if err != nil {
		t.Fatal(err)
	}
	return tab, k
}

// captured are tables and the key by which they are captured.
var captured = []struct {
	name, sql, table string
	key              []string
}{
	{name: "plain", table: "items", sql: `CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)`},
	{name: "composite", table: "stock", sql: `CREATE TABLE stock (place TEXT, qty INTEGER, sku TEXT, PRIMARY KEY (sku, place)) WITHOUT ROWID`},
	{name: "unique", table: "users", sql: `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, first, last, UNIQUE (first, last))`},
	{name: "other_key", table: "users", key: []string{"mail"}, sql: `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT NOT NULL UNIQUE)`},
	{name: "index_collation", table: "users", sql: `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT); CREATE UNIQUE INDEX by_mail ON users (mail COLLATE NOCASE DESC)`},
	{name: "partial", table: "jobs", sql: `CREATE TABLE jobs (id INTEGER PRIMARY KEY, slot INTEGER, done INTEGER); CREATE UNIQUE INDEX busy ON jobs (slot) WHERE done = 0`},
	{name: "expression", table: "users", sql: `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT, site INTEGER); CREATE UNIQUE INDEX by_mail ON users (lower(mail), site, substr(mail, 1, 3))`},
	{name: "hostile", table: `odd "table"; DROP TABLE x; --`, sql: `CREATE TABLE "odd ""table""; DROP TABLE x; --" ("se lect" TEXT, "a.b" INT, [br]]acket] TEXT, "é'""" TEXT UNIQUE, "group" INT, PRIMARY KEY ("se lect", "a.b"))`},
}

func init() { captured[7].sql = strings.Replace(captured[7].sql, "[br]]acket]", `"br]acket"`, 1) }

func TestGoldenTriggers(t *testing.T) {
	for _, c := range captured {
		t.Run(c.name, func(t *testing.T) {
			tab, key := load(t, open(t, c.sql), c.table, c.key...)
			var b strings.Builder
			for _, tr := range schema.Triggers(tab, key, schema.Capture{Dataset: 1, TableID: 7}) {
				fmt.Fprintf(&b, "%s;\n\n", tr.SQL)
			}
			golden := filepath.Join("testdata", c.name+".sql")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("triggers are\n%s\nwant\n%s", b.String(), want)
			}
			if m := newer.FindString(b.String()); m != "" {
				t.Errorf("%q is newer than SQLite 3.8.5", m)
			}
		})
	}
}

var newer = regexp.MustCompile(`(?i)\b(ON CONFLICT|RETURNING|json_|->|WITH |OVER |FILTER|STRICT|IIF|unixepoch|UPDATE FROM|NULLS)`)

// capture installs the triggers of a table with an oplog as cdc makes it.
func capture(t testing.TB, db *sql.DB, table string, key ...string) {
	t.Helper()
	captureAs(t, db, schema.Capture{Dataset: 1, TableID: 7}, table, key...)
}

func captureAs(t testing.TB, db *sql.DB, c schema.Capture, table string, key ...string) {
	t.Helper()
	tab, k := load(t, db, table, key...)
	columns := "k0, k1"
	for i := 2; i < len(k); i++ {
		columns += fmt.Sprintf(", k%d", i)
	}
	exec(t, db, `CREATE TABLE sqlsync_oplog_1 (table_id, op, at, `+columns+`)`)
	for _, tr := range schema.Triggers(tab, k, c) {
		exec(t, db, tr.SQL)
	}
}

// marks returns the distinct first key columns that were marked, in order, and
// clears them.
func marks(t testing.TB, db *sql.DB) string {
	t.Helper()
	var s sql.NullString
	if err := db.QueryRow(`SELECT group_concat(quote(k0), ' ') FROM (SELECT DISTINCT k0 FROM sqlsync_oplog_1 ORDER BY k0)`).Scan(&s); err != nil {
		t.Fatal(err)
	}
	exec(t, db, `DELETE FROM sqlsync_oplog_1`)
	return s.String
}

// Whatever a statement does, every row that it changed is marked.
func TestMarksCoverEveryStatement(t *testing.T) {
	const users = `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, n INTEGER DEFAULT 0)`
	for _, c := range []struct {
		name, schema string
		before       []string
		do, want     string
	}{
		{"insert", users, nil, `INSERT INTO users (id, mail) VALUES (1, 'a'), (2, 'b')`, "1 2"},
		{"replace removes another row", users, []string{`INSERT INTO users VALUES (1, 'a', 0)`}, `INSERT OR REPLACE INTO users VALUES (3, 'a', 0)`, "1 3"},
		{"replace with recursive triggers", users, []string{`PRAGMA recursive_triggers = 1`, `INSERT INTO users VALUES (1, 'a', 0)`}, `REPLACE INTO users VALUES (3, 'a', 0)`, "1 3"},
		{"replace of two rows", users, []string{`INSERT INTO users VALUES (1, 'a', 0), (2, 'b', 0)`}, `REPLACE INTO users VALUES (2, 'a', 0)`, "1 2"},
		{"update or replace", users, []string{`INSERT INTO users VALUES (1, 'a', 0), (2, 'b', 0)`}, `UPDATE OR REPLACE users SET mail = 'a' WHERE id = 2`, "1 2"},
		{"update or replace onto a key", users, []string{`INSERT INTO users VALUES (1, 'a', 0), (2, 'b', 0)`}, `UPDATE OR REPLACE users SET id = 2 WHERE id = 1`, "1 2"},
		{"upsert that updates", users, []string{`INSERT INTO users VALUES (1, 'a', 0)`}, `INSERT INTO users VALUES (9, 'a', 0) ON CONFLICT (mail) DO UPDATE SET n = n + 1`, "1"},
		{"upsert that inserts", users, nil, `INSERT INTO users VALUES (9, 'a', 0) ON CONFLICT (mail) DO UPDATE SET n = n + 1`, "9"},
		{"negated keys", users, []string{`INSERT INTO users VALUES (1, 'a', 0), (2, 'b', 0)`}, `UPDATE users SET id = -id`, "-2 -1 1 2"},
		{"the key as rowid", users, []string{`INSERT INTO users VALUES (1, 'a', 0)`}, `UPDATE users SET rowid = 5`, "1 5"},
		{"a swap", users, []string{`INSERT INTO users VALUES (1, 'a', 0), (2, 'b', 0)`}, `BEGIN; UPDATE users SET id = 0 WHERE id = 1; UPDATE users SET id = 1 WHERE id = 2; UPDATE users SET id = 2 WHERE id = 0; COMMIT`, "0 1 2"},
		{"delete", users, []string{`INSERT INTO users VALUES (1, 'a', 0), (2, 'b', 0)`}, `DELETE FROM users`, "1 2"},
		{"rolled back to a savepoint", users, nil, `BEGIN; INSERT INTO users VALUES (1, 'a', 0); SAVEPOINT s; INSERT INTO users VALUES (2, 'b', 0); ROLLBACK TO s; COMMIT`, "1"},
		{"replace by a partial index", `CREATE TABLE users (id INTEGER PRIMARY KEY, slot, done); CREATE UNIQUE INDEX x ON users (slot) WHERE done = 0`,
			[]string{`INSERT INTO users VALUES (1, 's', 0), (2, 's', 1)`}, `REPLACE INTO users VALUES (3, 's', 0)`, "1 3"},
		{"replace by an expression", `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT); CREATE UNIQUE INDEX x ON users (lower(mail))`,
			[]string{`INSERT INTO users VALUES (1, 'A@x'), (2, 'b')`}, `REPLACE INTO users VALUES (3, 'a@X')`, "1 3"},
		{"a partial index whose expression fails elsewhere", `CREATE TABLE users (id INTEGER PRIMARY KEY, n, live); CREATE UNIQUE INDEX x ON users (abs(n)) WHERE live`,
			[]string{`INSERT INTO users VALUES (1, -9223372036854775808, 0), (2, -5, 1)`}, `REPLACE INTO users VALUES (3, 5, 1), (4, -9223372036854775808, 0)`, "2 3 4"},
		{"replace by a default", `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT NOT NULL DEFAULT nobody UNIQUE, n NOT NULL DEFAULT (1 + 1)); CREATE UNIQUE INDEX x ON users (n * 2)`,
			[]string{`INSERT INTO users VALUES (1, 'nobody', 1), (2, 'b', 2), (4, 'd', 3)`}, `REPLACE INTO users VALUES (3, NULL, NULL); UPDATE OR REPLACE users SET mail = NULL WHERE id = 4`, "1 2 3 4"},
		{"update or replace by a generated column", `CREATE TABLE users (id INTEGER PRIMARY KEY, n, base, g AS (lower(base)), UNIQUE (g, n))`,
			[]string{`INSERT INTO users VALUES (1, 1, 'A'), (2, 2, 'a')`}, `UPDATE OR REPLACE users SET n = 1 WHERE id = 2`, "1 2"},
		{"update or replace by an expression of a generated column", `CREATE TABLE users (id INTEGER PRIMARY KEY, n, base, g AS (lower(base)) STORED); CREATE UNIQUE INDEX x ON users (g || n)`,
			[]string{`INSERT INTO users (id, n, base) VALUES (1, 1, 'A'), (2, 2, 'a')`}, `UPDATE OR REPLACE users SET n = 1 WHERE id = 2`, "1 2"},
		{"replace by an index's collation", `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT); CREATE UNIQUE INDEX x ON users (mail COLLATE NOCASE)`,
			[]string{`INSERT INTO users VALUES (1, 'A'), (2, 'b')`}, `REPLACE INTO users VALUES (3, 'a')`, "1 3"},
		{"a conflict clause in the schema", `CREATE TABLE users (id INTEGER PRIMARY KEY, mail UNIQUE ON CONFLICT REPLACE)`,
			[]string{`INSERT INTO users VALUES (1, 'a')`}, `INSERT INTO users VALUES (3, 'a')`, "1 3"},
		{"a key that is not the first column", `CREATE TABLE users (v, id TEXT PRIMARY KEY) WITHOUT ROWID`, nil, `INSERT INTO users VALUES (1, 'x'); UPDATE users SET v = 2`, "'x'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := open(t, c.schema)
			capture(t, db, "users")
			for _, q := range c.before {
				exec(t, db, q)
			}
			marks(t, db)
			exec(t, db, c.do)
			if got := marks(t, db); got != c.want {
				t.Errorf("marked %s, want %s", got, c.want)
			}
		})
	}
}

// A statement that fails or is ignored leaves no mark that matters, and no
// conflict clause of a statement swallows one.
func TestConflictClausesDoNotReachTheOplog(t *testing.T) {
	db := open(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE)`)
	capture(t, db, "users")
	for _, clause := range []string{"OR IGNORE", "OR REPLACE", "OR FAIL", "OR ROLLBACK", "OR ABORT"} {
		exec(t, db, `DELETE FROM users`)
		marks(t, db)
		for range 3 { // the same mark three times over
			exec(t, db, `INSERT `+clause+` INTO users VALUES (1, 'a')`)
			exec(t, db, `DELETE FROM users`)
		}
		var n int
		if err := db.QueryRow(`SELECT count(*) FROM sqlsync_oplog_1 WHERE op IN (1, 3)`).Scan(&n); err != nil || n != 6 {
			t.Errorf("%s: %d marks, want 6 (%v)", clause, n, err)
		}
	}
	marks(t, db)
	if _, err := db.Exec(`INSERT INTO users SELECT value, 'x' || (value % 2) FROM (SELECT 1 AS value UNION SELECT 2 UNION SELECT 3)`); err == nil {
		t.Fatal("the statement was to fail")
	}
	if got := marks(t, db); got != "" {
		t.Errorf("a statement that failed left marks: %s", got)
	}
}

// What an application asks SQLite about its own statements is as it was.
func TestApplicationsSeeTheirOwnResults(t *testing.T) {
	db := open(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE)`)
	capture(t, db, "users")
	res, err := db.Exec(`INSERT INTO users VALUES (41, 'a'), (42, 'b')`)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := res.LastInsertId()
	n, _ := res.RowsAffected()
	if id != 42 || n != 2 {
		t.Errorf("last_insert_rowid is %d, changes %d", id, n)
	}
	var got string
	if err := db.QueryRow(`UPDATE users SET mail = 'c' WHERE id = 41 RETURNING id || mail`).Scan(&got); err != nil || got != "41c" {
		t.Errorf("RETURNING gave %q, %v", got, err)
	}
}

// The mark lands in the file that holds the table, whatever the file is called
// in the connection and whatever else has the oplog's name.
func TestAttachedAndShadowed(t *testing.T) {
	db := open(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE)`)
	capture(t, db, "users")
	var path string
	if err := db.QueryRow(`SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&path); err != nil {
		t.Fatal(err)
	}
	other := open(t, `CREATE TEMP TABLE sqlsync_oplog_1 (x)`, `ATTACH '`+path+`' AS aux`, `REPLACE INTO aux.users VALUES (7, 'a')`)
	other.Close()
	if got := marks(t, db); got != "7" {
		t.Errorf("marked %q, want 7", got)
	}
}

// A file may be attached, under any name and beside one with the same tables,
// when its tables are altered.
func TestAlterThroughAttach(t *testing.T) {
	db := open(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, spare)`, `CREATE TABLE other (a, b)`)
	capture(t, db, "users")
	var path string
	if err := db.QueryRow(`SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&path); err != nil {
		t.Fatal(err)
	}
	other := open(t, `CREATE TABLE users (x)`, `ATTACH '`+path+`' AS aux`)
	for _, q := range []string{
		`ALTER TABLE aux.users ADD COLUMN late`, `ALTER TABLE aux.users RENAME COLUMN mail TO address`, `ALTER TABLE aux.users DROP COLUMN spare`,
		`ALTER TABLE aux.users RENAME TO people`, `ALTER TABLE aux.other DROP COLUMN b`, `REPLACE INTO aux.people (id, address) VALUES (7, 'a'), (8, 'a')`,
		`ALTER TABLE main.users RENAME TO people`, `VACUUM aux`,
	} {
		exec(t, other, q)
	}
	other.Close()
	if got := marks(t, db); got != "7 8" {
		t.Errorf("marked %q, want 7 8", got)
	}
}

func TestAlterTableIsNotBlocked(t *testing.T) {
	db := open(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, n INTEGER, spare)`,
		`CREATE UNIQUE INDEX by_mail ON users (lower(mail)) WHERE n > 0`)
	capture(t, db, "users")
	for _, q := range []string{
		`ALTER TABLE users ADD COLUMN colour TEXT DEFAULT 'red'`, `ALTER TABLE users DROP COLUMN spare`, `ALTER TABLE users RENAME COLUMN n TO number`,
		`ALTER TABLE users RENAME COLUMN mail TO address`, `ALTER TABLE users RENAME COLUMN id TO nr`, `ALTER TABLE users RENAME TO people`,
	} {
		exec(t, db, q)
	}
	exec(t, db, `INSERT INTO people (nr, address) VALUES (1, 'a')`)
	exec(t, db, `REPLACE INTO people (nr, address) VALUES (2, 'a')`)
	if got := marks(t, db); got != "1 2" {
		t.Errorf("marked %q, want 1 2", got)
	}
}

// Many columns make no expression that is too deep: SQLite takes 1000, and an
// application may have told it to take less.
func TestConditionsAreNotDeep(t *testing.T) {
	var names []string
	for i := range 1100 {
		names = append(names, fmt.Sprintf("c%d", i))
	}
	list := strings.Join(names, ", ")
	for _, c := range []string{
		`CREATE TABLE t (id INTEGER PRIMARY KEY, ` + list + `, UNIQUE (` + list + `))`,
		`CREATE TABLE t (` + list + `, PRIMARY KEY (` + list + `))`,
	} {
		db := open(t, c)
		capture(t, db, "t")
		exec(t, db, `INSERT INTO t (c0) VALUES (1)`)
		exec(t, db, `UPDATE t SET c9 = 3`)
	}
}

// REPLACE removes the row that has the rowid which the application gives.
func TestDisplacedByRowid(t *testing.T) {
	for _, c := range []struct{ table, do, want string }{
		{`k TEXT PRIMARY KEY, u UNIQUE`, `REPLACE INTO t (rowid, k) VALUES (1, 'n'), (5, 'o')`, "'a' 'n' 'o'"},
		{`k TEXT PRIMARY KEY, u UNIQUE`, `UPDATE OR REPLACE t SET _ROWID_ = 2 WHERE k = 'a'`, "'a' 'b'"},
		{`k TEXT PRIMARY KEY, rowid`, `REPLACE INTO t (oid, k) VALUES (1, 'n')`, "'a' 'n'"},
		{`k TEXT PRIMARY KEY, rowid`, `UPDATE OR REPLACE t SET "Oid" = 2 WHERE k = 'a'`, "'a' 'b'"},
		{`k TEXT PRIMARY KEY, x`, `INSERT INTO t VALUES ('c', 1)`, "'c'"},
		{`k TEXT PRIMARY KEY, x`, `UPDATE t SET x = 1 WHERE k = 'a'`, "'a'"},
	} {
		db := open(t, `CREATE TABLE t (`+c.table+`)`, `INSERT INTO t VALUES ('a', 1), ('b', 2)`)
		captureAs(t, db, schema.Capture{Dataset: 1, TableID: 7, Rowids: true}, "t")
		exec(t, db, c.do)
		if got := marks(t, db); got != c.want {
			t.Errorf("(%s) %s marks %q, want %q", c.table, c.do, got, c.want)
		}
		exec(t, db, `ALTER TABLE t RENAME TO t2`)
		exec(t, db, `ALTER TABLE t2 RENAME COLUMN k TO key`)
		exec(t, db, `INSERT INTO t2 (key) VALUES ('z')`)
	}
}

// Where no rowid was seen to be given it is told that one is, once it is.
func TestGivenRowidIsMarked(t *testing.T) {
	db := open(t, `CREATE TABLE t (k TEXT PRIMARY KEY, v)`, `INSERT INTO t VALUES ('a', 1), ('b', 2)`)
	capture(t, db, "t")
	for _, c := range []struct {
		do    string
		given int
	}{
		{`REPLACE INTO t (k) VALUES ('a'), ('c')`, 0},
		{`UPDATE OR REPLACE t SET k = 'd', v = 4 WHERE k = 'c'`, 0},
		{`REPLACE INTO t (rowid, k) VALUES (1, 'n')`, 1},
		{`UPDATE OR REPLACE t SET oid = 2 WHERE k = 'd'`, 1},
	} {
		exec(t, db, c.do)
		var n int
		if err := db.QueryRow(`SELECT count(*) FROM sqlsync_oplog_1 WHERE op = 5 AND k0 IS NULL`).Scan(&n); err != nil || n != c.given {
			t.Errorf("%s: %d marks of a rowid, want %d (%v)", c.do, n, c.given, err)
		}
		exec(t, db, `DELETE FROM sqlsync_oplog_1`)
	}
}

// RENAME TO of an old library, or as one does it, leaves the bodies of triggers
// as they are. Those of most tables do not name their table.
func TestLegacyRename(t *testing.T) {
	for _, c := range []string{
		`k INTEGER PRIMARY KEY, n)`, `k TEXT PRIMARY KEY, n)`, `k TEXT PRIMARY KEY, n) WITHOUT ROWID`, `k, j, n, PRIMARY KEY (k, j))`,
		`k INTEGER PRIMARY KEY, n, UNIQUE (k, n), UNIQUE (n, k))`, `k TEXT COLLATE NOCASE PRIMARY KEY, n, UNIQUE (n, k))`,
	} {
		db := open(t, `CREATE TABLE t (`+c, `INSERT INTO t (k, n) VALUES (1, 1), (2, 2)`, `PRAGMA legacy_alter_table = 1`)
		capture(t, db, "t")
		exec(t, db, `ALTER TABLE t RENAME TO t2`)
		exec(t, db, `REPLACE INTO t2 (k, n) VALUES (1, 5), (3, 3)`)
		exec(t, db, `UPDATE OR REPLACE t2 SET k = 4 WHERE k = 2`)
		exec(t, db, `DELETE FROM t2 WHERE k = 3`)
		if got := strings.ReplaceAll(marks(t, db), "'", ""); got != "1 2 3 4" {
			t.Errorf("(%s marked %s, want 1 2 3 4", c, got)
		}
	}
}

// An index that takes other keys for the same than the key does finds rows of
// other keys.
func TestIndexThatHoldsTheKeyByAnotherCollation(t *testing.T) {
	db := open(t, `CREATE TABLE t (k TEXT PRIMARY KEY, n)`, `CREATE UNIQUE INDEX x ON t (k COLLATE NOCASE, n)`, `INSERT INTO t VALUES ('a', 1)`)
	capture(t, db, "t")
	exec(t, db, `REPLACE INTO t VALUES ('A', 1)`)
	if got := marks(t, db); got != "'A' 'a'" {
		t.Errorf("marked %s, want 'A' 'a'", got)
	}
}

// The rows that REPLACE may remove are found by the index that makes them
// conflict, not by reading the table.
func TestDisplacedRowsAreFoundByIndex(t *testing.T) {
	for _, c := range captured {
		db := open(t, c.sql)
		tab, key := load(t, db, c.table, c.key...)
		for _, tr := range schema.Triggers(tab, key, schema.Capture{Dataset: 1, TableID: 7}) {
			if !strings.Contains(tr.Name, "displace_") {
				continue
			}
			for _, part := range strings.Split(tr.SQL, "INSERT INTO")[1:] {
				q := regexp.MustCompile(`NEW\.("([^"]|"")*"|rowid)`).ReplaceAllString(part[strings.Index(part, "SELECT"):strings.LastIndex(part, ";")], "?1")
				rows, err := db.Query(`EXPLAIN QUERY PLAN `+q, "x")
				if err != nil {
					t.Fatalf("%s: %v", q, err)
				}
				var plan []string
				for rows.Next() {
					var a, b, c int
					var detail string
					if err := rows.Scan(&a, &b, &c, &detail); err != nil {
						t.Fatal(err)
					}
					plan = append(plan, detail)
				}
				rows.Close()
				reads := !slices.ContainsFunc(plan, func(s string) bool { return strings.HasPrefix(s, "SEARCH") })
				for i, s := range plan { // the one of asRow is WHERE 0
					reads = reads || strings.HasPrefix(s, "SCAN sqlsync_row") && plan[i-1] != "LEFT-MOST SUBQUERY"
				}
				if reads {
					t.Errorf("%s: %s reads the table: %v", c.name, q, plan)
				}
			}
		}
	}
}
