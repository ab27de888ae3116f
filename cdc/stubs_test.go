package cdc_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"modernc.org/sqlite"

	"sqlsync/cdc"
	"sqlsync/schema"
)

// owner is the driver of an application that has functions of its own.
var owner = &sqlite.Driver{}

func init() {
	slug := func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		return strings.ReplaceAll(strings.ToLower(fmt.Sprint(args[0])), " ", "-"), nil
	}
	owner.MustRegisterDeterministicScalarFunction("slug", 1, slug)
	owner.MustRegisterScalarFunction("notify", -1, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) { return int64(1), nil })
	sql.Register("sqlite-owner", owner)
}

// owned opens the node's database as that application.
func (n *node) owned() {
	n.t.Helper()
	n.app.Close()
	app, err := sql.Open("sqlite-owner", "file:"+n.path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		n.t.Fatal(err)
	}
	n.app = app
}

// harmless are triggers of which nothing is carried out on our connection.
var harmless = []struct {
	name, schema string
	do           []string
	query        string
}{
	{
		"an update of the same row",
		`CREATE TABLE t (id INTEGER PRIMARY KEY, title TEXT, slug TEXT);
			CREATE TRIGGER x AFTER INSERT ON t BEGIN UPDATE t SET slug = slug(NEW.title) WHERE id = NEW.id; END;
			CREATE TRIGGER y AFTER UPDATE OF title ON t WHEN slug(NEW.title) <> OLD.slug BEGIN UPDATE t SET slug = SLUG(NEW.title) WHERE id = NEW.id; END`,
		[]string{`INSERT INTO t VALUES (1, 'Green Tea', NULL), (2, 'Rice', NULL)`, `UPDATE t SET title = 'White Tea' WHERE id = 1`},
		`SELECT group_concat(id || title || slug) FROM (SELECT * FROM t ORDER BY id)`,
	},
	{
		"a row in another table",
		`CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE trail (id INTEGER PRIMARY KEY, what TEXT);
			CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO trail (what) SELECT slug(NEW.v) WHERE notify(1); END`,
		[]string{`INSERT INTO t VALUES (1, 'A B'), (2, 'C')`, `INSERT INTO t VALUES (3, 'D')`},
		`SELECT group_concat(what) FROM (SELECT * FROM trail ORDER BY id)`,
	},
	{
		"a function that is only called",
		`CREATE TABLE t (id INTEGER PRIMARY KEY, v);
			CREATE TRIGGER x AFTER UPDATE ON t WHEN notify(NEW.v) BEGIN SELECT notify('t', NEW.id); END`,
		[]string{`INSERT INTO t VALUES (1, 'a')`, `UPDATE t SET v = 'b'`},
		`SELECT group_concat(v) FROM t`,
	},
}

// A trigger that calls what only the application has does on every node what
// it does in plain SQLite, as long as nothing of it is carried out by us.
func TestFunctionsOfTheApplication(t *testing.T) {
	for i, c := range harmless {
		t.Run(c.name, func(t *testing.T) {
			plain, err := sql.Open("sqlite-owner", "file:"+filepath.Join(t.TempDir(), "plain.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer plain.Close()
			a, b := newNode(t, 1, c.schema), newNode(t, 2, c.schema)
			for _, n := range []*node{a, b} {
				n.owned()
				n.watch(cdc.WatchOptions{}, names(t, n)...)
			}
			for _, q := range append([]string{c.schema}, c.do...) {
				if _, err := plain.Exec(q); err != nil {
					t.Fatal(err)
				}
				if q != c.schema {
					a.exec(q)
					converge(t, a, b)
				}
			}
			var want string
			if err := plain.QueryRow(c.query).Scan(&want); err != nil {
				t.Fatal(err)
			}
			again := openNode(t, 1, a.path, "") // a restart
			again.seal()
			for _, n := range []*node{a, b, again} {
				if got := n.text(c.query); got != want {
					t.Errorf("case %d: %q is %q, want %q", i, c.query, got, want)
				}
				if why := n.waiting("t"); why != "" {
					t.Errorf("t waits: %s", why)
				}
			}
		})
	}
}

func names(t *testing.T, n *node) (list []string) {
	t.Helper()
	tables, err := n.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tab := range tables {
		if tab.Refused != nil {
			t.Errorf("tables says of %s: %v", tab.Name, tab.Refused)
		}
		list = append(list, tab.Name)
	}
	return list
}

// Where a value of the function's could matter here, the table is refused by
// the function's name, and leaves no trace.
func TestFunctionsThatRefuse(t *testing.T) {
	const table = `CREATE TABLE t (id INTEGER PRIMARY KEY, v, w); CREATE TABLE log (what);`
	for name, c := range map[string]struct{ schema, cause string }{
		"into a table that is not watched": {table + `CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO log VALUES (slug(NEW.v)); END`, "writes to log"},
		"one of two effects":               {table + `CREATE TRIGGER x AFTER INSERT ON t BEGIN UPDATE t SET w = slug(v); UPDATE log SET what = 1; END`, "writes to log"},
		"a delete":                         {table + `CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t WHERE v = slug(NEW.v); END`, "deletes from t"},
		"an error":                         {table + `CREATE TRIGGER x BEFORE INSERT ON t WHEN slug(NEW.v) BEGIN SELECT RAISE(IGNORE); END`, "raises an error"},
		"through another trigger": {table + `CREATE TRIGGER x AFTER INSERT ON t BEGIN UPDATE t SET w = 1 WHERE v = slug(NEW.v); END;
			CREATE TRIGGER y AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (1); END`, "whose trigger y writes to log"},
		"in a common table expression": {table + `CREATE TRIGGER y AFTER INSERT ON t BEGIN SELECT slug(1); END;
			CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO log SELECT * FROM (WITH y AS (SELECT slug(NEW.v)) SELECT * FROM y); END`, "writes to log"},
		"in an index too": {table + `CREATE INDEX i ON log (slug(what)); CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT slug(NEW.v); END`, "so does the index i"},
		"in a default too": {`CREATE TABLE t (id INTEGER PRIMARY KEY, v DEFAULT (slug('A')));
			CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT slug(NEW.v); END`, "so does the table t"},
		"in a check": {`CREATE TABLE t (id INTEGER PRIMARY KEY, v CHECK (slug(v) <> ''))`, "function slug"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, 1, "")
			n.owned()
			n.exec(c.schema)
			before := n.text(`SELECT group_concat(sql) FROM sqlite_master WHERE tbl_name = 't'`)
			list, err := n.Watch(t.Context(), []string{"t"}, cdc.WatchOptions{})
			var r *schema.Refusal
			if err != nil || !errors.As(list[0].Refused, &r) || !strings.Contains(r.Error(), c.cause) || !strings.Contains(r.Error(), "slug") {
				t.Fatalf("refused with %v, %v; want %q", list, err, c.cause)
			}
			if after := n.text(`SELECT group_concat(sql) FROM sqlite_master WHERE tbl_name = 't'`); after != before {
				t.Errorf("it left %s", after)
			}
		})
	}
}

// The verdict that counts is the one after the other tables.
func TestFunctionIsHarmlessWhenAllIsWatched(t *testing.T) {
	n := newNode(t, 1, "")
	n.owned()
	n.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE u (id INTEGER PRIMARY KEY, v);
		CREATE TRIGGER x AFTER INSERT ON t BEGIN UPDATE u SET v = slug(NEW.v); END`)
	n.watch(cdc.WatchOptions{}, "t", "u")
	if _, err := n.Unwatch(t.Context(), []string{"u"}); err != nil {
		t.Fatal(err)
	}
	if why := n.waiting("t"); !strings.Contains(why, "slug") || !strings.Contains(why, "writes to u") {
		t.Errorf("with u not watched any more, t waits for %q", why)
	}
	n.watch(cdc.WatchOptions{}, "u")
	if why := n.waiting("t"); why != "" {
		t.Errorf("t still waits: %s", why)
	}
}

// A function that moves from a trigger to an index is not computed by us.
func TestStubIsDroppedWithItsTrigger(t *testing.T) {
	a, b := newNode(t, 1, ""), newNode(t, 2, "")
	for _, n := range []*node{a, b} {
		n.owned()
		n.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT slug(NEW.v); END`)
		n.watch(cdc.WatchOptions{}, "t")
	}
	a.exec(`INSERT INTO t VALUES (1, 'A B')`)
	converge(t, a, b)
	other, err := sql.Open("sqlite", cdc.AppDSN(b.path))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Exec(`SELECT slug(1)`); err == nil {
		t.Error("other connections have the function")
	}
	b.exec(`CREATE INDEX i ON t (slug(v))`)
	a.exec(`INSERT INTO t VALUES (2, 'C D')`)
	b.pull(a)
	if why := b.waiting("t"); !strings.Contains(why, "slug") {
		t.Errorf("with the function in an index, t waits for %q", why)
	}
	b.exec(`DROP INDEX i`)
	b.exec(`DROP TRIGGER x`)
	converge(t, a, b)
	if why := b.waiting("t"); why != "" {
		t.Errorf("t still waits: %s", why)
	}
}

// A new replica gets the trigger too: its application has the function.
func TestCreateTriggerThatCallsAFunction(t *testing.T) {
	a, b := newNode(t, 1, harmless[0].schema), newNode(t, 2, ``)
	a.owned()
	b.owned()
	a.watch(cdc.WatchOptions{}, "t")
	from, err := a.Stream(cdc.DefaultDataset).Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if skipped, err := b.Create(t.Context(), cdc.DefaultDataset, from); err != nil || len(skipped) > 0 {
		t.Fatalf("left out: %q, %v", skipped, err)
	}
	b.exec(`INSERT INTO t (id, title) VALUES (1, 'Green Tea')`)
	converge(t, a, b)
	if got := a.text(`SELECT slug FROM t`); got != "green-tea" {
		t.Errorf("the first node has %q", got)
	}
}
