package cdc_test

import (
	"strings"
	"testing"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// meet tells two nodes of each other's tables, as a session does at first.
func meet(a, b *node) (aWants, bWants bool) {
	return a.agree(b), b.agree(a)
}

func (n *node) agree(peer *node) (wantsSchema bool) {
	n.t.Helper()
	offers, err := peer.Stream(cdc.DefaultDataset).Offers(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	wants, err := n.Stream(cdc.DefaultDataset).Agree(n.t.Context(), peer.Node(), offers)
	if err != nil {
		n.t.Fatal(err)
	}
	return wants
}

func (n *node) waiting(table string) string {
	n.t.Helper()
	st, err := n.Status(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return st.Waiting[table]
}

// A table that the two merge by different policies waits until they are the
// same; nothing of it is lost, and other tables go on.
func TestTableOfAnotherPolicyWaitsAlone(t *testing.T) {
	const tables = items + `; CREATE TABLE other (id INTEGER PRIMARY KEY)`
	a, b := newNode(t, 1, tables), newNode(t, 2, tables)
	a.watch(cdc.WatchOptions{Policy: "row"}, "items")
	b.watch(cdc.WatchOptions{}, "items")
	a.watch(cdc.WatchOptions{}, "other")
	b.watch(cdc.WatchOptions{}, "other")
	meet(a, b)
	for _, n := range []*node{a, b} {
		if why := n.waiting("items"); !strings.Contains(why, `"row"`) || !strings.Contains(why, `"lww"`) {
			t.Errorf("items waits for %q", why)
		}
	}
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one'); INSERT INTO other VALUES (7)`)
	exchange(a, b)
	if got := b.text(`SELECT (SELECT count(*) FROM items) || (SELECT count(*) FROM other)`); got != "01" {
		t.Fatalf("B has %s rows of items and other, want none and one", got)
	}
	b.watch(cdc.WatchOptions{Policy: "row"}, "items")
	meet(a, b)
	if why := a.waiting("items") + b.waiting("items"); why != "" {
		t.Errorf("items still waits for %q", why)
	}
	converge(t, a, b)
	if got := b.text(`SELECT name FROM items`); got != "one" {
		t.Errorf("B has %q", got)
	}
}

// Where the dataset follows, what the other side creates and adds is made.
func TestSchemaFollows(t *testing.T) {
	a, b := newNode(t, 1, items), newNode(t, 2, "")
	follow := true
	if err := b.SetDataset(t.Context(), cdc.DefaultDataset, cdc.DatasetChange{FollowSchema: &follow}); err != nil {
		t.Fatal(err)
	}
	a.watch(cdc.WatchOptions{}, "items")
	adopt := func() {
		t.Helper()
		aWants, bWants := meet(a, b)
		if aWants || !bWants {
			t.Fatalf("wants the schema: a %v, b %v", aWants, bWants)
		}
		from, err := a.Stream(cdc.DefaultDataset).Schema(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Stream(cdc.DefaultDataset).Adopt(t.Context(), a.Node(), from); err != nil {
			t.Fatal(err)
		}
		if _, again := meet(a, b); again {
			t.Error("wants the schema again")
		}
	}
	adopt()
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one')`)
	converge(t, a, b)
	a.exec(`ALTER TABLE items ADD COLUMN "unit price" NUMERIC(10, 2) NOT NULL DEFAULT 0 CHECK ("unit price" >= 0)`)
	a.exec(`UPDATE items SET "unit price" = 2.5`)
	exchange(a, b)
	adopt()
	converge(t, a, b)
	if got := b.text(`SELECT "unit price" FROM items`); got != "2.5" {
		t.Errorf("the price is %q", got)
	}
	if st, err := b.Status(t.Context()); err != nil || len(st.Absent)+len(st.Lacking) != 0 {
		t.Errorf("status says %+v, %v", st, err)
	}
}

// Where it does not follow, status says what is not here.
func TestWhatIsNotHereIsTold(t *testing.T) {
	a, b := newNode(t, 1, items+`; CREATE TABLE more (id INTEGER PRIMARY KEY, x)`), newNode(t, 2, `CREATE TABLE more (id INTEGER PRIMARY KEY)`)
	if err := b.AddRemote(t.Context(), cdc.Remote{Name: "office", Key: a.Node(), Pull: true, Push: true}); err != nil {
		t.Fatal(err)
	}
	a.watch(cdc.WatchOptions{}, "items", "more")
	b.watch(cdc.WatchOptions{}, "more")
	a.exec(`INSERT INTO more VALUES (1, 2)`)
	if _, wants := meet(a, b); wants {
		t.Error("a dataset that does not follow wants the schema")
	}
	exchange(a, b)
	st, err := b.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Absent) != 1 || st.Absent[0] != (cdc.AbsentTable{Name: "items", Dataset: "primary", Peer: "office"}) {
		t.Errorf("absent are %+v", st.Absent)
	}
	if len(st.Lacking) != 1 || st.Lacking[0] != "more.x" {
		t.Errorf("lacking are %q", st.Lacking)
	}
}

// A schema that a peer sends makes its tables and does nothing else, whatever
// SQL it holds.
func TestHostileSchema(t *testing.T) {
	a := newNode(t, 1, items+`; CREATE TABLE wages (id INTEGER PRIMARY KEY, pay); INSERT INTO wages VALUES (1, 100)`)
	follow := true
	if err := a.SetDataset(t.Context(), cdc.DefaultDataset, cdc.DatasetChange{FollowSchema: &follow}); err != nil {
		t.Fatal(err)
	}
	a.watch(cdc.WatchOptions{}, "items")
	all := func() string {
		return a.text(`SELECT group_concat(type || name || coalesce(sql, '')) FROM sqlite_master WHERE name NOT LIKE 'sqlsync%'`) +
			a.text(`SELECT group_concat(id || pay) FROM wages`) + a.text(`SELECT count(*) FROM sqlsync_remote`)
	}
	was := all()
	const evil = `CREATE TABLE evil (id INTEGER PRIMARY KEY, x)`
	adopt := func(name string, create ...string) {
		t.Helper()
		from := &wire.Schema{Tables: []wire.TableSchema{{Name: name, Create: create, Key: []string{"id"}, Policy: "lww"}}}
		if err := a.Stream(cdc.DefaultDataset).Adopt(t.Context(), merge.NodeID{9}, from); err != nil {
			t.Errorf("%q: %v", create, err)
		}
	}
	for _, q := range []string{
		`DROP TABLE wages`, `DELETE FROM wages`, `UPDATE wages SET pay = 0`, `INSERT INTO wages VALUES (2, 1)`,
		`INSERT INTO sqlsync_remote (name, key, addrs, pull, push, added) VALUES ('evil', x'00', '[]', 1, 1, '')`,
		`CREATE TABLE other (id)`, `CREATE VIEW other AS SELECT 1`, `CREATE TRIGGER other AFTER INSERT ON wages BEGIN SELECT 1; END`,
		`CREATE INDEX other ON wages (pay)`, `CREATE INDEX sqlsync_x ON evil (x)`, `ALTER TABLE wages ADD COLUMN y`, `ALTER TABLE wages RENAME TO evil2`,
		`CREATE VIRTUAL TABLE other USING fts5(x)`, `CREATE TEMP TABLE wages (id)`, `ATTACH 'stolen.db' AS s`, `PRAGMA user_version = 7`,
		`PRAGMA writable_schema = 1`, `VACUUM INTO 'stolen.db'`, `ANALYZE`, `COMMIT`, `ROLLBACK`, `SAVEPOINT x; DROP TABLE wages`,
		`CREATE INDEX e ON evil (x); DROP TABLE wages`, `EXPLAIN SELECT 1; DELETE FROM wages`,
	} {
		adopt("evil", evil, q)
		if got := all(); got != was {
			t.Fatalf("%s: there is %s now, was %s", q, got, was)
		}
	}
	adopt("evil", `CREATE TABLE evil AS SELECT id, pay AS x FROM wages`)
	adopt("wages2", evil)
	adopt("items", items+`, bad DEFAULT 1; DROP TABLE wages`)
	adopt("items", `CREATE TABLE items (id INTEGER PRIMARY KEY, bad AS (1) ; DELETE FROM wages)`)
	if got := all(); got != was {
		t.Fatalf("there is %s now, was %s", got, was)
	}
	// One that is as it should be is made, with all that may belong to it.
	adopt("evil", `CREATE TABLE evil (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT NOT NULL DEFAULT (lower('A')) COLLATE NOCASE CHECK (length(x) < 9),
		y AS (x || id), z REFERENCES wages, UNIQUE (x))`, `CREATE INDEX e ON evil (x, y) WHERE z IS NOT NULL`)
	if got := a.text(`SELECT group_concat(name) FROM sqlite_master WHERE tbl_name = 'evil' AND sql IS NOT NULL AND name NOT LIKE 'sqlsync%'`); got != "evil,e" {
		t.Errorf("made %s", got)
	}
}

// Triggers that come with a clone leave alone what is sqlsync's.
func TestHostileTriggers(t *testing.T) {
	a := newNode(t, 1, "")
	from := &wire.Schema{Tables: []wire.TableSchema{{
		Name: "items", Create: []string{`CREATE TABLE items (id INTEGER PRIMARY KEY, x)`}, Key: []string{"id"}, Policy: "lww",
		Triggers: []string{
			`CREATE TRIGGER good AFTER INSERT ON items BEGIN UPDATE items SET x = 1 WHERE id = NEW.id; END`,
			`CREATE TRIGGER bad AFTER INSERT ON items BEGIN UPDATE "SqlSync_remote" SET push = 1; END`,
			`DROP TRIGGER good`, `CREATE TRIGGER sqlsync_9_i AFTER INSERT ON items BEGIN SELECT 1; END`,
		},
	}}}
	skipped, err := a.Create(t.Context(), cdc.DefaultDataset, from)
	if err != nil || len(skipped) != 3 {
		t.Errorf("skipped %q, %v", skipped, err)
	}
	if got := a.text(`SELECT group_concat(name) FROM sqlite_master WHERE type = 'trigger' AND name NOT LIKE 'sqlsync%'`); got != "good" {
		t.Errorf("triggers are %s", got)
	}
}
