package schema_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"modernc.org/sqlite"

	"sqlsync/schema"
)

// Every refusal names the table and the cause, and says what to do.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, sql, table string
		key              []string
		cause, remedy    string
	}{
		{name: "no key", sql: `CREATE TABLE t (a)`, cause: "no primary key", remedy: "PRIMARY KEY"},
		{name: "no key but an index", sql: `CREATE TABLE t (a NOT NULL, b NOT NULL, UNIQUE (a, b))`, cause: "no primary key", remedy: "--key a,b"},
		{name: "no such column", sql: `CREATE TABLE t (a NOT NULL UNIQUE)`, key: []string{"c"}, cause: `no column "c"`, remedy: "the columns are a"},
		{name: "no such index", sql: `CREATE TABLE t (a NOT NULL UNIQUE, b)`, key: []string{"b"}, cause: "no UNIQUE index", remedy: "CREATE UNIQUE INDEX"},
		{name: "a key that can be NULL", sql: `CREATE TABLE t (a UNIQUE)`, key: []string{"a"}, cause: "can be NULL", remedy: "NOT NULL"},
		{name: "a partial index", sql: `CREATE TABLE t (a NOT NULL); CREATE UNIQUE INDEX i ON t (a) WHERE a > 0`, key: []string{"a"}, cause: "no UNIQUE index", remedy: "CREATE UNIQUE INDEX"},
		{name: "NULL in the key", sql: `CREATE TABLE t (a TEXT PRIMARY KEY); INSERT INTO t VALUES (NULL), ('x')`, cause: "has NULL in 1 of its rows", remedy: "--key"},
		{name: "virtual", sql: `CREATE VIRTUAL TABLE t USING fts5 (a)`, cause: "virtual table", remedy: "watch the table"},
		{name: "shadow", sql: `CREATE VIRTUAL TABLE t USING fts5 (a)`, table: "t_data", cause: "inside of a virtual table", remedy: "leave it"},
		{name: "view", sql: `CREATE TABLE x (a); CREATE VIEW t AS SELECT * FROM x`, cause: "it is a view", remedy: "watch the tables"},
		{name: "ours", sql: `CREATE TABLE sqlsync_t (a INTEGER PRIMARY KEY)`, table: "sqlsync_t", cause: "sqlsync's own", remedy: "application only"},
		{name: "collation in a comment only", sql: "CREATE TABLE t (a INTEGER PRIMARY KEY /* COLLATE klingon */, b DEFAULT 'COLLATE klingon')"},
		{name: "function in a trigger", sql: `CREATE TABLE t (a INTEGER PRIMARY KEY, b); CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT appfn(NEW.b); END`, cause: "function appfn", remedy: "take it out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.table == "" {
				c.table = "t"
			}
			checkRefusal(t, verdict(t, open(t, c.sql), c.table, c.key), c.table, c.cause, c.remedy)
		})
	}
}

func verdict(t *testing.T, db *sql.DB, table string, key []string) error {
	tab, err := schema.Load(t.Context(), db, table)
	if err != nil {
		return err
	}
	k, err := tab.Key(key)
	if err != nil {
		return err
	}
	return schema.Check(t.Context(), db, tab, k)
}

func checkRefusal(t *testing.T, err error, table, cause, remedy string) {
	t.Helper()
	if cause == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var r *schema.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("got %v, want a refusal", err)
	}
	if !strings.Contains(r.Error(), table) || !strings.Contains(r.Error(), cause) || !strings.Contains(r.Hint(), remedy) || strings.Contains(r.Error()+r.Hint(), "\n") {
		t.Errorf("refusal is %q, hint %q; want table %s, cause %q, remedy %q", r.Error(), r.Hint(), table, cause, remedy)
	}
}

// app is a driver with what only the application has: a function, a collation.
var app = &sqlite.Driver{}

func init() {
	app.MustRegisterDeterministicScalarFunction("appfn", 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) { return args[0], nil })
	app.MustRegisterCollationUtf8("klingon", strings.Compare)
	sql.Register("sqlite-app", app)
}

func TestWhatOnlyTheApplicationHas(t *testing.T) {
	for name, c := range map[string]struct{ sql, cause string }{
		"function in an index":      {`CREATE TABLE t (a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t (appfn(b))`, "function appfn"},
		"function in a check":       {`CREATE TABLE t (a INTEGER PRIMARY KEY, b CHECK (appfn(b) > 0))`, "function appfn"},
		"function in a column":      {`CREATE TABLE t (a INTEGER PRIMARY KEY, b, c AS (appfn(b)))`, "function appfn"},
		"function in a partial one": {`CREATE TABLE t (a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t (b) WHERE appfn(b)`, "function appfn"},
		"function in a default":     {`CREATE TABLE t (a INTEGER PRIMARY KEY, b DEFAULT (appfn(1)))`, "function appfn"},
		"collation of a column":     {`CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT COLLATE klingon)`, "collation klingon"},
		"collation of an index":     {`CREATE TABLE t (a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t (b COLLATE "klingon")`, "collation klingon"},
		"collation of a key":        {`CREATE TABLE t (a TEXT COLLATE klingon PRIMARY KEY)`, "collation klingon"},
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir() + "/a.db"
			owner, err := sql.Open("sqlite-app", path)
			if err != nil {
				t.Fatal(err)
			}
			exec(t, owner, c.sql)
			owner.Close()
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			checkRefusal(t, verdict(t, db, "t", nil), "t", c.cause, "")
		})
	}
}

// A column may be in a key several times.
func TestColumnTwiceInKey(t *testing.T) {
	for _, c := range []string{"(a, a, b))", "(a, b, a))", "(a, b, b, a)) WITHOUT ROWID"} {
		db := open(t, `CREATE TABLE t (x, a, b, PRIMARY KEY `+c)
		if _, k := load(t, db, "t"); !slices.Equal(k, schema.Key{1, 2}) {
			t.Errorf("%s: the key is %v", c, k)
		}
		capture(t, db, "t")
		exec(t, db, `INSERT INTO t VALUES (1, 2, 3)`)
		exec(t, db, `UPDATE t SET b = 4`)
		exec(t, db, `REPLACE INTO t VALUES (5, 2, 4)`)
	}
}

func TestNearNames(t *testing.T) {
	db := open(t, `CREATE TABLE orders (id INTEGER PRIMARY KEY); CREATE TABLE customers (id INTEGER PRIMARY KEY)`)
	_, err := schema.Load(t.Context(), db, "ordrs")
	var n *schema.NoTable
	if !errors.As(err, &n) || !errors.Is(err, schema.ErrNoTable) || n.Hint() != "did you mean orders?" {
		t.Errorf("got %v", err)
	}
	if tab, err := schema.Load(t.Context(), db, "ORDERS"); err != nil || tab.Name != "orders" {
		t.Errorf("case matters: %v", err)
	}
}

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		sql    string
		alias  int
		exact  bool
		stored int
	}{
		{`CREATE TABLE t (a INTEGER PRIMARY KEY, b)`, 0, true, 2},
		{`CREATE TABLE t (b, a INTEGER, PRIMARY KEY (a))`, 1, true, 2},
		{`CREATE TABLE t (a INTEGER PRIMARY KEY DESC)`, -1, true, 1},
		{`CREATE TABLE t (a INT PRIMARY KEY)`, -1, true, 1},
		{`CREATE TABLE t (a INTEGER PRIMARY KEY) WITHOUT ROWID`, -1, true, 1},
		{`CREATE TABLE t (a TEXT PRIMARY KEY, b AS (a || 'x'), c AS (a) STORED)`, -1, true, 1},
		{`CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY)`, -1, false, 1},
		{`CREATE TABLE t (a TEXT COLLATE RTRIM PRIMARY KEY) WITHOUT ROWID`, -1, false, 1},
		{`CREATE TABLE t (a PRIMARY KEY)`, -1, false, 1},
		{`CREATE TABLE t (a ANY PRIMARY KEY)`, -1, true, 1}, // there it means NUMERIC
		{`CREATE TABLE t (a ANY PRIMARY KEY) STRICT`, -1, false, 1},
		{`CREATE TABLE t (rowid TEXT, oid INTEGER PRIMARY KEY, _rowid_)`, 1, true, 3},
	} {
		tab, key := load(t, open(t, c.sql), "t")
		if tab.RowidAlias != c.alias || tab.ExactKey(key) != c.exact || len(tab.Stored()) != c.stored {
			t.Errorf("%s: alias %d, exact %v, stored %d", c.sql, tab.RowidAlias, tab.ExactKey(key), len(tab.Stored()))
		}
	}
}

func TestForeignKeys(t *testing.T) {
	tab, _ := load(t, open(t, `CREATE TABLE p (a, b, PRIMARY KEY (a, b)); CREATE TABLE c (id INTEGER PRIMARY KEY, x, y, z REFERENCES c,
		FOREIGN KEY (x, y) REFERENCES p (a, b) ON DELETE CASCADE ON UPDATE SET NULL)`), "c")
	want := []schema.ForeignKey{
		{Parent: "p", Columns: []int{1, 2}, ParentColumns: []string{"a", "b"}, OnDelete: "CASCADE", OnUpdate: "SET NULL"},
		{Parent: "c", Columns: []int{3}, OnDelete: "NO ACTION", OnUpdate: "NO ACTION"},
	}
	if !reflect.DeepEqual(tab.ForeignKeys, want) {
		t.Errorf("foreign keys are %+v, want %+v", tab.ForeignKeys, want)
	}
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{`CREATE UNIQUE INDEX i ON t (lower("a"), [b c] DESC) WHERE x = 'y'')' -- z`, `(((`, `'`, `[`, `/*`, "--", `a,b)`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { schema.CheckTokens(t, text) })
}
