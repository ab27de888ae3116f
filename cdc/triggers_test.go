package cdc_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"sqlsync/cdc"
)

// sameTriggers makes two nodes of one schema, of which some tables are watched.
func TestApplicationTriggers(t *testing.T) {
	for _, c := range []struct {
		name, schema string
		watch        []string
		do           []string
		query, want  string // on both nodes, afterwards
	}{
		{
			name: "a trigger that updates its own row",
			schema: `CREATE TABLE t (id INTEGER PRIMARY KEY, v, touched INTEGER DEFAULT 0);
				CREATE TRIGGER touch AFTER UPDATE OF v ON t BEGIN UPDATE t SET touched = touched + 1 WHERE id = NEW.id; END`,
			watch: []string{"t"},
			do:    []string{`INSERT INTO t (id, v) VALUES (1, 'a')`, `UPDATE t SET v = 'b'`, `UPDATE t SET v = 'c'`},
			query: `SELECT v || touched FROM t`, want: "c2",
		},
		{
			name: "an audit trail in another watched table",
			schema: `CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE audit (id INTEGER PRIMARY KEY, what);
				CREATE TRIGGER au AFTER UPDATE ON t BEGIN INSERT INTO audit (what) VALUES (OLD.v || '>' || NEW.v); END`,
			watch: []string{"t", "audit"},
			do:    []string{`INSERT INTO t VALUES (1, 'a')`, `UPDATE t SET v = 'b'`, `UPDATE t SET v = 'c'`},
			query: `SELECT group_concat(what) FROM audit`, want: "a>b,b>c",
		},
		{
			name: "an unwatched table kept by triggers",
			schema: `CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE counts (n INTEGER); INSERT INTO counts VALUES (0);
				CREATE TRIGGER up AFTER INSERT ON t BEGIN UPDATE counts SET n = n + 1; END;
				CREATE TRIGGER down AFTER DELETE ON t BEGIN UPDATE counts SET n = n - 1; END`,
			watch: []string{"t"},
			do:    []string{`INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')`, `DELETE FROM t WHERE id = 2`},
			query: `SELECT n FROM counts`, want: "2",
		},
		{
			name: "a full-text index kept by triggers",
			schema: `CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT);
				CREATE VIRTUAL TABLE found USING fts5 (body, content = 'docs', content_rowid = 'id');
				CREATE TRIGGER i AFTER INSERT ON docs BEGIN INSERT INTO found (rowid, body) VALUES (NEW.id, NEW.body); END;
				CREATE TRIGGER d AFTER DELETE ON docs BEGIN INSERT INTO found (found, rowid, body) VALUES ('delete', OLD.id, OLD.body); END;
				CREATE TRIGGER u AFTER UPDATE ON docs BEGIN
					INSERT INTO found (found, rowid, body) VALUES ('delete', OLD.id, OLD.body);
					INSERT INTO found (rowid, body) VALUES (NEW.id, NEW.body); END`,
			watch: []string{"docs"},
			do: []string{`INSERT INTO docs VALUES (1, 'green tea'), (2, 'black tea'), (3, 'rice')`,
				`UPDATE docs SET body = 'white tea' WHERE id = 1`, `DELETE FROM docs WHERE id = 2`},
			query: `SELECT group_concat(rowid) FROM found WHERE found MATCH 'tea'`, want: "1",
		},
		{
			name: "a trigger that deletes from a watched table",
			schema: `CREATE TABLE carts (id INTEGER PRIMARY KEY, done INTEGER); CREATE TABLE lines (id INTEGER PRIMARY KEY, cart INTEGER);
				CREATE TRIGGER clear AFTER UPDATE OF done ON carts WHEN NEW.done BEGIN DELETE FROM lines WHERE cart = NEW.id; END`,
			watch: []string{"carts", "lines"},
			do:    []string{`INSERT INTO carts VALUES (1, 0), (2, 0)`, `INSERT INTO lines VALUES (1, 1), (2, 1), (3, 2)`, `UPDATE carts SET done = 1 WHERE id = 1`},
			query: `SELECT group_concat(id) FROM lines`, want: "3",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := pair(t, c.schema, c.watch...)
			for _, q := range c.do {
				a.exec(q)
				converge(t, a, b)
			}
			for _, n := range []*node{a, b} {
				if got := n.text(c.query); got != c.want {
					t.Errorf("%q is %q, want %q", c.query, got, c.want)
				}
			}
			if n := len(a.conflicts()) + len(b.conflicts()); n > 0 {
				t.Errorf("%d conflicts", n)
			}
			v, err := a.Stream(cdc.DefaultDataset).Vector(t.Context())
			if err != nil || v[b.Node()].Seq > 0 {
				t.Errorf("b answered with %d batches of its own, %v", v[b.Node()].Seq, err)
			}
		})
	}
}

func TestFullTextIndexIsSound(t *testing.T) {
	a, b := pair(t, `CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT);
		CREATE VIRTUAL TABLE found USING fts5 (body, content = 'docs', content_rowid = 'id');
		CREATE TRIGGER i AFTER INSERT ON docs BEGIN INSERT INTO found (rowid, body) VALUES (NEW.id, NEW.body); END;
		CREATE TRIGGER d AFTER DELETE ON docs BEGIN INSERT INTO found (found, rowid, body) VALUES ('delete', OLD.id, OLD.body); END`, "docs")
	a.exec(`INSERT INTO docs VALUES (1, 'green tea'), (2, 'black tea')`)
	converge(t, a, b)
	a.exec(`DELETE FROM docs WHERE id = 1`)
	converge(t, a, b)
	b.exec(`INSERT INTO found (found) VALUES ('integrity-check')`)
}

// A row that a trigger of the application refuses is kept aside and comes back
// when the trigger is gone; it stops nothing else.
func TestTriggerThatRaises(t *testing.T) {
	a, b := pair(t, items, "items")
	b.exec(`CREATE TRIGGER guard BEFORE INSERT ON items WHEN NEW.qty < 0 BEGIN SELECT RAISE(ABORT, 'no debts'); END`)
	a.exec(`INSERT INTO items (id, qty) VALUES (1, 1), (2, -1), (3, 3)`)
	b.pull(a)
	if got := b.text(`SELECT group_concat(id) FROM items`); got != "1,3" {
		t.Errorf("rows are %s", got)
	}
	st, err := b.Status(t.Context())
	if err != nil || st.Held != 1 {
		t.Errorf("%d rows are held, %v", st.Held, err)
	}
	a.exec(`UPDATE items SET name = 'two' WHERE id = 2`)
	b.pull(a)
	b.exec(`DROP TRIGGER guard`)
	a.exec(`INSERT INTO items (id, qty) VALUES (4, 4)`)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(id || coalesce(name, '')) FROM (SELECT * FROM items ORDER BY id)`); got != "1,2two,3,4" {
		t.Errorf("rows are %s", got)
	}
}

// An ignored row must not be taken for an inserted one.
func TestTriggerThatIgnores(t *testing.T) {
	a, b := pair(t, items, "items")
	b.exec(`CREATE TRIGGER guard BEFORE INSERT ON items WHEN NEW.qty < 0 BEGIN SELECT RAISE(IGNORE); END`)
	a.exec(`INSERT INTO items (id, qty) VALUES (1, 1), (2, -1), (3, 3)`)
	b.pull(a)
	b.exec(`UPDATE items SET qty = 10 WHERE id = 1`)
	a.pull(b)
	if got := a.text(`SELECT group_concat(id || ':' || qty) FROM (SELECT * FROM items ORDER BY id)`); got != "1:10,2:-1,3:3" {
		t.Errorf("the writer has %s", got)
	}
}

func TestSchemaChanges(t *testing.T) {
	for _, c := range []struct {
		name        string
		before      []string // on both
		change      []string // on both, while rows are written
		after       []string // on a
		query, want string
	}{
		{"add column", []string{`INSERT INTO items (id, name) VALUES (1, 'one')`}, []string{`ALTER TABLE items ADD COLUMN colour TEXT DEFAULT 'red'`},
			[]string{`UPDATE items SET colour = 'blue' WHERE id = 1`, `INSERT INTO items (id, name) VALUES (2, 'two')`},
			`SELECT group_concat(name || colour) FROM (SELECT * FROM items ORDER BY id)`, "oneblue,twored"},
		{"drop column", []string{`INSERT INTO items (id, name, note) VALUES (1, 'one', 'x')`}, []string{`ALTER TABLE items DROP COLUMN note`},
			[]string{`UPDATE items SET name = 'ONE'`}, `SELECT name FROM items`, "ONE"},
		{"drop a unique index and its column", []string{`CREATE UNIQUE INDEX by_note ON items (note)`, `INSERT INTO items (id, name, note) VALUES (1, 'one', 'x')`},
			[]string{`BEGIN; DROP INDEX IF EXISTS by_note; ALTER TABLE items DROP COLUMN note; INSERT INTO items (id, name) VALUES (2, 'two'); COMMIT`},
			[]string{`UPDATE items SET name = 'ONE' WHERE id = 1`}, `SELECT group_concat(name) FROM (SELECT * FROM items ORDER BY id)`, "ONE,two"},
		{"rename column", []string{`INSERT INTO items (id, name) VALUES (1, 'one')`}, []string{`ALTER TABLE items RENAME COLUMN name TO title`},
			[]string{`UPDATE items SET title = 'ONE'`}, `SELECT title FROM items`, "ONE"},
		{"rebuild in twelve steps", []string{`INSERT INTO items (id, name) VALUES (1, 'one'), (2, 'two')`},
			[]string{`BEGIN; CREATE TABLE new_items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, qty INTEGER DEFAULT 0, note);
				INSERT INTO new_items SELECT * FROM items; DROP TABLE items; ALTER TABLE new_items RENAME TO items; COMMIT`},
			[]string{`UPDATE items SET name = 'ONE' WHERE id = 1`, `DELETE FROM items WHERE id = 2`, `INSERT INTO items (id, name) VALUES (3, 'three')`},
			`SELECT group_concat(name) FROM (SELECT * FROM items ORDER BY id)`, "ONE,three"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := pair(t, items, "items")
			for _, q := range c.before {
				a.exec(q)
			}
			converge(t, a, b)
			for _, n := range []*node{a, b} {
				for _, q := range c.change {
					n.exec(q)
				}
			}
			for _, q := range c.after {
				a.exec(q)
			}
			converge(t, a, b)
			for _, n := range []*node{a, b} {
				if got := n.text(c.query); got != c.want {
					t.Errorf("%q is %q, want %q", c.query, got, c.want)
				}
			}
		})
	}
}

// What was written while a rebuild had taken the triggers is found.
func TestGapOfARebuildIsFound(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one'), (2, 'two')`)
	converge(t, a, b)
	a.exec(`BEGIN; CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT, qty INTEGER DEFAULT 0, note);
		INSERT INTO n SELECT * FROM items; DROP TABLE items; ALTER TABLE n RENAME TO items;
		UPDATE items SET name = 'ONE' WHERE id = 1; DELETE FROM items WHERE id = 2; INSERT INTO items (id, name) VALUES (3, 'three'); COMMIT`)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(name) FROM (SELECT * FROM items ORDER BY id)`); got != "ONE,three" {
		t.Errorf("the peer has %s", got)
	}
}

// What FAIL leaves in the table is captured, though the trigger that failed is
// newer than those that capture.
func TestWhatFailLeavesIsCaptured(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`CREATE TRIGGER guard AFTER INSERT ON items WHEN NEW.qty < 0 BEGIN SELECT RAISE(FAIL, 'no debts'); END`)
	for id := range 2 { // before the node has seen the trigger, and after
		if _, err := a.app.Exec(`INSERT INTO items (id, qty) VALUES (?, -1)`, id); err == nil {
			t.Error("the trigger did not fail")
		}
		b.pull(a)
	}
	if got := b.text(`SELECT group_concat(id) FROM items`); got != "0,1" {
		t.Errorf("the peer has %q", got)
	}
}

// A unique index that the application makes while the table is watched is one
// by which REPLACE removes rows, from the first statement on.
func TestUniqueIndexOfLater(t *testing.T) {
	a, b := pair(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, name UNIQUE, mail)`, "users")
	a.exec(`INSERT INTO users VALUES (1, 'ann', 'a@x'), (2, 'bob', 'b@x')`)
	converge(t, a, b)
	a.exec(`CREATE UNIQUE INDEX by_mail ON users (mail)`)
	a.exec(`REPLACE INTO users VALUES (3, 'cy', 'a@x')`)
	converge(t, a, b)
	a.exec(`REPLACE INTO users VALUES (4, 'dan', 'b@x')`)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(id) FROM (SELECT id FROM users ORDER BY id)`); got != "3,4" {
		t.Errorf("the peer has %s", got)
	}
	a.exec(`DROP INDEX by_mail`)
	a.seal()
	a.exec(`ALTER TABLE users DROP COLUMN mail`)
}

// An application that drops the index by which a table is watched, and what
// was in it, can go on writing; the table waits, others do not.
func TestDroppedKey(t *testing.T) {
	a, b := pair(t, items+`; CREATE TABLE users (id INTEGER, mail TEXT NOT NULL, n); CREATE UNIQUE INDEX by_mail ON users (mail)`, "items")
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{Key: []string{"mail"}}, "users")
	}
	a.exec(`INSERT INTO users VALUES (1, 'a@x', 1), (2, 'b@x', 2)`)
	converge(t, a, b)
	a.exec(`BEGIN; DROP INDEX by_mail; ALTER TABLE users DROP COLUMN mail; INSERT INTO users VALUES (3, 3);
		UPDATE users SET n = 5; DELETE FROM users WHERE id = 1; INSERT INTO items (id) VALUES (1); COMMIT`)
	b.pull(a)
	if got := b.text(`SELECT (SELECT group_concat(mail) FROM users) || (SELECT count(*) FROM items)`); got != "a@x,b@x1" {
		t.Errorf("the peer has %s", got)
	}
	st, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := st.Waiting["users"]; !strings.Contains(got, `no column "mail"`) {
		t.Errorf("the table waits for %q", got)
	}
}

// A table that is dropped takes no rows with it elsewhere, and comes back.
func TestDroppedTable(t *testing.T) {
	a, b := pair(t, items+`; CREATE TABLE other (id INTEGER PRIMARY KEY, v)`, "items", "other")
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one')`)
	converge(t, a, b)
	a.exec(`DROP TABLE items`)
	a.exec(`INSERT INTO other VALUES (1, 'goes on')`)
	b.pull(a)
	if got := b.text(`SELECT name || (SELECT v FROM other) FROM items`); got != "onegoes on" {
		t.Errorf("the peer has %s", got)
	}
	b.exec(`UPDATE items SET qty = 5`)
	a.pull(b)
	st, err := a.Status(t.Context())
	if err != nil || st.Waiting["items"] == "" {
		t.Errorf("status says nothing of the missing table: %+v, %v", st, err)
	}
}

// An index that the application adds needs other triggers of the same name.
func TestTriggersFollowUniqueIndexes(t *testing.T) {
	a, b := pair(t, `CREATE TABLE t (id INTEGER PRIMARY KEY, x UNIQUE, y)`, "t")
	a.exec(`INSERT INTO t VALUES (1, 1, 1), (2, 2, 2)`)
	converge(t, a, b)
	a.exec(`CREATE UNIQUE INDEX byy ON t (y)`)
	a.seal()
	a.exec(`INSERT OR REPLACE INTO t VALUES (3, 3, 1)`)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(id) FROM (SELECT id FROM t ORDER BY id)`); got != "2,3" {
		t.Errorf("the replica has %s", got)
	}
}

// What a trigger deletes on apply goes before what the same transaction put
// there later.
func TestTriggerThatDeletesBeforeARowComes(t *testing.T) {
	const schema = `CREATE TABLE u (id INTEGER PRIMARY KEY, t INTEGER); CREATE TABLE t (id INTEGER PRIMARY KEY, v);
		CREATE TRIGGER d AFTER DELETE ON t BEGIN DELETE FROM u WHERE t = OLD.id; END;
		CREATE TRIGGER e AFTER UPDATE ON t BEGIN DELETE FROM u WHERE t = OLD.v; END`
	a, b := pair(t, schema, "u", "t")
	a.exec(`INSERT INTO t VALUES (1, 0), (5, 7); INSERT INTO u VALUES (1, 1), (2, 7)`)
	converge(t, a, b)
	a.exec(`BEGIN; DELETE FROM t WHERE id = 1; INSERT INTO u VALUES (3, 1); UPDATE t SET v = 8; INSERT INTO u VALUES (4, 7); COMMIT`)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.text(`SELECT group_concat(id || ':' || t) FROM u`); got != "3:1,4:7" {
			t.Errorf("rows are %s", got)
		}
	}
}

// A row that the schema had no room for comes when it has, without another
// change.
func TestHeldRowComesWhenTheSchemaChanges(t *testing.T) {
	a := newNode(t, 1, `CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT)`)
	b := newNode(t, 2, `CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT); CREATE TRIGGER r BEFORE INSERT ON u BEGIN SELECT RAISE(ABORT, 'no'); END`)
	a.watch(cdc.WatchOptions{}, "u")
	b.watch(cdc.WatchOptions{}, "u")
	a.exec(`INSERT INTO u VALUES (1, 'x')`)
	exchange(a, b)
	if got := b.text(`SELECT count(*) FROM u`); got != "0" {
		t.Fatalf("B has %s rows", got)
	}
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { b.Follow(ctx) })
	defer group.Wait()
	defer stop()
	b.exec(`DROP TRIGGER r`)
	for deadline := time.Now().Add(time.Minute); b.text(`SELECT count(*) FROM u`) != "1"; {
		if time.Now().After(deadline) {
			t.Fatal("the row does not come")
		}
		runtime.Gosched()
	}
}
