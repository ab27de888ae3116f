package cdc_test

import (
	"crypto/ed25519"
	"database/sql"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// node is a database with its store and the application's connection.
type node struct {
	*cdc.Store
	t    testing.TB
	path string
	app  *sql.DB
	// damaged says that the test leaves behind what verify finds.
	damaged bool
	// ended says that it was closed by the test.
	ended bool
}

// newNode makes a database with a schema and opens it as a store. seed makes
// the identity, so that runs are the same.
func newNode(t testing.TB, seed byte, schema string) *node {
	t.Helper()
	return openNode(t, seed, filepath.Join(t.TempDir(), "app.db"), schema)
}

// copyOf opens a copy of the file as it is now, as the same node.
func (n *node) copyOf(t testing.TB, seed byte) *node {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	n.exec(`VACUUM INTO '` + path + `'`)
	return openNode(t, seed, path, "")
}

// observedNode is newNode whose store tells what it does.
func observedNode(t testing.TB, seed byte, schema string, observe func(cdc.Work)) *node {
	t.Helper()
	return openNodeWith(t, seed, filepath.Join(t.TempDir(), "app.db"), schema, cdc.Options{Observe: observe})
}

func openNode(t testing.TB, seed byte, path, schema string) *node {
	t.Helper()
	return openNodeWith(t, seed, path, schema, cdc.Options{})
}

// openNodeAt opens a store with a clock of its own.
func openNodeAt(t testing.TB, seed byte, path, schema string, now func() time.Time) *node {
	t.Helper()
	return openNodeWith(t, seed, path, schema, cdc.Options{Now: now})
}

func openNodeWith(t testing.TB, seed byte, path, schema string, o cdc.Options) *node {
	t.Helper()
	n := &node{t: t, path: path}
	if _, err := os.Stat(path); testing.Short() && os.IsNotExist(err) && !strings.Contains(schema, "PRAGMA") {
		if err := os.WriteFile(path, migrated(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	app, err := sql.Open("sqlite", "file:"+n.path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	n.app = app
	n.exec(schema)
	key := ed25519.NewKeyFromSeed(append(make([]byte, 31), seed))
	author := authorOf(key)
	told := o.Sign
	o.Path, o.Node, o.Sign = n.path, author.Node, author.Sign
	if told != nil {
		o.Sign = func(h wire.Hash) []byte {
			told(h) // it is only told
			return author.Sign(h)
		}
	}
	o.Verify = func(origin merge.NodeID, h wire.Hash, sig []byte) bool { return ed25519.Verify(origin[:], h[:], sig) }
	n.Store, err = cdc.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n.ended {
			return
		}
		n.checkIntegrity()
		n.checkVerified()
		n.app.Close()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// unitOnly skips what one goroutine does from beginning to end, with many cases or
// rows, where tests run under the race detector: that has nothing to find in it.
func unitOnly(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("one goroutine does it all: make unit runs it")
	}
}

func authorOf(key ed25519.PrivateKey) cdc.Author {
	return cdc.Author{
		Node: merge.NodeID(key.Public().(ed25519.PublicKey)),
		Sign: func(h wire.Hash) []byte { return ed25519.Sign(key, h[:]) },
	}
}

func (n *node) exec(q string, args ...any) {
	n.t.Helper()
	if _, err := n.app.Exec(q, args...); err != nil {
		n.t.Fatalf("%s: %v", q, err)
	}
}

// text returns the result of a query that gives one value.
func (n *node) text(q string, args ...any) string {
	n.t.Helper()
	var s sql.NullString
	if err := n.app.QueryRow(q, args...).Scan(&s); err != nil {
		n.t.Fatalf("%s: %v", q, err)
	}
	return s.String
}

func (n *node) checkIntegrity() {
	n.t.Helper()
	if s := n.text(`PRAGMA integrity_check`); s != "ok" {
		n.t.Errorf("integrity_check: %s", s)
	}
}

func (n *node) watch(o cdc.WatchOptions, tables ...string) {
	n.t.Helper()
	list, err := n.Watch(n.t.Context(), tables, o)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, v := range list {
		if v.Refused != nil {
			n.t.Fatalf("watch %s: %v", v.Table, v.Refused)
		}
	}
}

// seal seals what was committed.
func (n *node) seal() {
	n.t.Helper()
	if err := n.Seal(n.t.Context(), cdc.DefaultDataset); err != nil {
		n.t.Fatal(err)
	}
}

// pull brings n everything that from holds, in from's order.
func (n *node) pull(from *node) {
	n.t.Helper()
	ctx := n.t.Context()
	from.seal()
	have, err := n.Stream(cdc.DefaultDataset).Vector(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	for pos := int64(0); ; {
		list, err := from.Stream(cdc.DefaultDataset).After(ctx, pos, 1<<20)
		if err != nil {
			n.t.Fatal(err)
		}
		if len(list) == 0 {
			return
		}
		var batches []*wire.Sealed
		for _, h := range list {
			pos = h.Pos
			if h.Seq > have[h.Origin].Seq {
				batches = append(batches, h.Sealed)
			}
		}
		if _, err := n.Stream(cdc.DefaultDataset).Apply(ctx, from.Node(), batches); err != nil {
			n.t.Fatal(err)
		}
	}
}

// converge exchanges everything among nodes and checks that their tables are
// then equal.
func converge(t testing.TB, nodes ...*node) {
	t.Helper()
	exchange(nodes...)
	want := nodes[0].digest()
	for _, n := range nodes[1:] {
		got := n.digest()
		for table, d := range want {
			if got[table] != d {
				t.Errorf("table %s differs: %+v there, %+v here", table, d, got[table])
			}
		}
	}
}

// exchange brings every node what the others have.
func exchange(nodes ...*node) {
	for range 2 {
		for _, a := range nodes {
			for _, b := range nodes {
				if a != b {
					a.pull(b)
				}
			}
		}
	}
}

func (n *node) digest() map[string]cdc.Digest {
	n.t.Helper()
	d, err := n.Digest(n.t.Context(), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	return d
}

func (n *node) conflicts() []cdc.Conflict {
	n.t.Helper()
	list, err := n.Conflicts(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return list
}

const items = `CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, qty INTEGER DEFAULT 0, note)`

func pair(t testing.TB, schema string, tables ...string) (a, b *node) {
	t.Helper()
	a, b = newNode(t, 1, schema), newNode(t, 2, schema)
	a.watch(cdc.WatchOptions{}, tables...)
	b.watch(cdc.WatchOptions{}, tables...)
	return a, b
}

func TestChangesTravel(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items VALUES (1, 'one', 1, NULL), (2, 'two', 2, x''), (3, 'three', 3, 1.5)`)
	b.exec(`INSERT INTO items VALUES (10, 'ten', 1, 'b')`)
	converge(t, a, b)
	a.exec(`UPDATE items SET qty = 5 WHERE id = 1`)
	b.exec(`UPDATE items SET name = 'ONE' WHERE id = 1`)
	a.exec(`DELETE FROM items WHERE id = 2`)
	b.exec(`UPDATE items SET id = 30 WHERE id = 3`)
	converge(t, a, b)
	if got := a.text(`SELECT group_concat(id || name || qty, ' ') FROM (SELECT * FROM items ORDER BY id)`); got != "1ONE5 10ten1 30three3" {
		t.Errorf("rows are %q", got)
	}
	if c := a.conflicts(); len(c) != 0 {
		t.Errorf("conflicts: %+v", c)
	}
}

func TestNothingIsEchoed(t *testing.T) {
	unitOnly(t)
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id, qty) VALUES (1, 0)`)
	for range 50 {
		a.exec(`UPDATE items SET qty = qty + 1`)
		converge(t, a, b)
	}
	if got := b.text(`SELECT qty FROM items`); got != "50" {
		t.Errorf("qty is %s, want 50", got)
	}
	v, err := a.Stream(cdc.DefaultDataset).Vector(t.Context())
	if err != nil || v[b.Node()].Seq != 0 {
		t.Errorf("b made %d batches of its own, %v", v[b.Node()].Seq, err)
	}
}

func TestEqualValuesAreNoConflict(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items VALUES (1, 'one', 1, NULL)`)
	converge(t, a, b)
	a.exec(`UPDATE items SET qty = 7`)
	b.exec(`UPDATE items SET qty = 7`)
	converge(t, a, b)
	if n := len(a.conflicts()) + len(b.conflicts()); n != 0 {
		t.Errorf("%d conflicts", n)
	}
}

func TestConflictIsKeptOnBothSides(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items VALUES (1, 'one', 1, NULL)`)
	converge(t, a, b)
	a.exec(`UPDATE items SET qty = 7`)
	b.exec(`UPDATE items SET qty = 8`)
	converge(t, a, b)
	ca, cb := a.conflicts(), b.conflicts()
	if len(ca) != 1 || len(cb) != 1 || ca[0].ID != cb[0].ID || ca[0].Kind != "cell" {
		t.Fatalf("a has %+v, b has %+v", ca, cb)
	}
	for _, c := range []cdc.Conflict{ca[0], cb[0]} {
		if len(c.Loser) != 1 || c.Loser[0].Value != int64(7) || len(c.Winner) != 1 || c.Winner[0].Value != int64(8) {
			t.Errorf("images are %+v and %+v", c.Winner, c.Loser)
		}
	}
}

func TestDeleteAgainstUpdate(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items VALUES (1, 'one', 1, NULL)`)
	converge(t, a, b)
	a.exec(`DELETE FROM items`)
	b.exec(`UPDATE items SET qty = 8`)
	converge(t, a, b)
	if got := a.text(`SELECT count(*) FROM items`); got != "0" {
		t.Errorf("%s rows", got)
	}
	ca, cb := a.conflicts(), b.conflicts()
	if len(ca) != 1 || len(cb) != 1 || ca[0].ID != cb[0].ID || ca[0].Kind != "delete" {
		t.Fatalf("a has %+v, b has %+v", ca, cb)
	}
	// It reads the same on both, and either can put the whole row back.
	if !reflect.DeepEqual(ca[0].Loser, cb[0].Loser) || !reflect.DeepEqual(ca[0].Winner, cb[0].Winner) || len(cb[0].Loser) != 1 {
		t.Errorf("a has %+v, b has %+v", ca[0], cb[0])
	}
	if err := b.RestoreConflict(t.Context(), cb[0].ID); err != nil {
		t.Fatal(err)
	}
	converge(t, a, b)
	if got := a.text(`SELECT name || qty FROM items`); got != "one8" {
		t.Errorf("the row is %q", got)
	}
}

func TestCopiesOfOneFileJoinWithoutConflict(t *testing.T) {
	rows := items + `; INSERT INTO items VALUES (1, 'one', 1, NULL), (2, 'two', 2, 'x'), (3, 'three', 3, 1.5)`
	a, b := pair(t, rows, "items")
	// Both write before they know of each other.
	a.exec(`UPDATE items SET qty = 10 WHERE id = 1`)
	a.exec(`DELETE FROM items WHERE id = 3`)
	b.exec(`UPDATE items SET name = 'TWO' WHERE id = 2`)
	b.exec(`UPDATE items SET name = 'ONE' WHERE id = 1`)
	converge(t, a, b)
	if n := len(a.conflicts()) + len(b.conflicts()); n != 0 {
		t.Errorf("conflicts: %+v %+v", a.conflicts(), b.conflicts())
	}
	if got := b.text(`SELECT group_concat(id || name || qty, ' ') FROM (SELECT * FROM items ORDER BY id)`); got != "1ONE10 2TWO2" {
		t.Errorf("rows are %q", got)
	}
}

func TestDifferingBaselineIsLogged(t *testing.T) {
	a := newNode(t, 1, items+`; INSERT INTO items VALUES (1, 'one', 1, NULL)`)
	b := newNode(t, 2, items+`; INSERT INTO items VALUES (1, 'eins', 1, NULL)`)
	a.watch(cdc.WatchOptions{}, "items")
	b.watch(cdc.WatchOptions{}, "items")
	converge(t, a, b)
	if got := b.text(`SELECT name FROM items`); got != "one" {
		t.Errorf("name is %q, want the founder's", got)
	}
	for _, n := range []*node{a, b} {
		if c := n.conflicts(); len(c) != 1 || c[0].Kind != "baseline" || c[0].Loser[0].Value != "eins" {
			t.Errorf("conflicts: %+v", c)
		}
	}
}

func TestUniqueLoserIsHeldAndComesBack(t *testing.T) {
	schema := `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, name TEXT)`
	a, b := pair(t, schema, "users")
	a.exec(`INSERT INTO users VALUES (1, 'x@y', 'ann')`)
	a.seal()
	b.exec(`INSERT INTO users VALUES (2, 'x@y', 'bob')`)
	converge(t, a, b)
	if got := a.text(`SELECT group_concat(name) FROM users`); got != "ann" {
		t.Errorf("users are %q, want the one born first", got)
	}
	ca, cb := a.conflicts(), b.conflicts()
	if len(ca) != 1 || len(cb) != 1 || ca[0].ID != cb[0].ID || ca[0].Kind != "unique" || cb[0].Kind != "unique" {
		t.Errorf("conflicts are %+v and %+v, want the unique one on both", ca, cb)
	}
	a.exec(`UPDATE users SET mail = 'z' WHERE id = 1`)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(name) FROM (SELECT name FROM users ORDER BY id)`); got != "ann,bob" {
		t.Errorf("users are %q, want both", got)
	}
	if n := len(a.conflicts()) + len(b.conflicts()); n != 0 {
		t.Errorf("%d conflicts, though both rows are there", n)
	}
}

func TestSwapOfUniqueValues(t *testing.T) {
	schema := `CREATE TABLE users (id INTEGER PRIMARY KEY, seat INTEGER UNIQUE)`
	a, b := pair(t, schema, "users")
	a.exec(`INSERT INTO users VALUES (1, 1), (2, 2), (3, 3)`)
	converge(t, a, b)
	a.exec(`BEGIN; UPDATE users SET seat = -seat; UPDATE users SET seat = 4 + seat; COMMIT`)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(seat) FROM (SELECT seat FROM users ORDER BY id)`); got != "3,2,1" {
		t.Errorf("seats are %q", got)
	}
}

// A row that waits for its unique value comes back under its key as it is
// spelled now.
func TestSwapOfUniqueValuesUnderKeysSpelledAnew(t *testing.T) {
	schema := `CREATE TABLE users (name TEXT COLLATE NOCASE PRIMARY KEY, seat INTEGER UNIQUE)`
	a, b := pair(t, schema, "users")
	a.exec(`INSERT INTO users VALUES ('ann', 1), ('bob', 2)`)
	converge(t, a, b)
	a.exec(`BEGIN; UPDATE users SET name = upper(name), seat = -seat; UPDATE users SET seat = 3 + seat; COMMIT`)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(name || seat) FROM (SELECT * FROM users ORDER BY name)`); got != "ANN2,BOB1" {
		t.Errorf("users are %q", got)
	}
}

func TestReplaceThatRemovesAnotherRow(t *testing.T) {
	schema := `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE)`
	a, b := pair(t, schema, "users")
	a.exec(`INSERT INTO users VALUES (1, 'a')`)
	converge(t, a, b)
	a.exec(`INSERT OR REPLACE INTO users VALUES (3, 'a')`)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(id) FROM users`); got != "3" {
		t.Errorf("ids are %q, want 3", got)
	}
}

func TestUnwatchedChangesAreFoundWhenWatchedAgain(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items VALUES (1, 'one', 1, NULL), (2, 'two', 2, NULL)`)
	converge(t, a, b)
	if _, err := b.Unwatch(t.Context(), []string{"items"}); err != nil {
		t.Fatal(err)
	}
	b.exec(`UPDATE items SET name = 'ONE' WHERE id = 1`)
	b.exec(`DELETE FROM items WHERE id = 2`)
	b.exec(`INSERT INTO items VALUES (3, 'three', 3, NULL)`)
	a.exec(`UPDATE items SET qty = 11 WHERE id = 1`)
	b.watch(cdc.WatchOptions{}, "items")
	converge(t, a, b)
	if got := a.text(`SELECT group_concat(id || name || qty, ' ') FROM (SELECT * FROM items ORDER BY id)`); got != "1ONE11 3three3" {
		t.Errorf("rows are %q", got)
	}
}

// Of rows that claim one value of an index on an expression, or on some rows
// only, the one born first has it on every node.
func TestUniqueIndexOnExpressionOrPart(t *testing.T) {
	for name, schema := range map[string]string{
		"expression": `CREATE TABLE u (id INTEGER PRIMARY KEY, mail TEXT, gone INT); CREATE UNIQUE INDEX i ON u (lower(mail), gone)`,
		"part":       `CREATE TABLE u (id INTEGER PRIMARY KEY, mail TEXT, gone INT); CREATE UNIQUE INDEX i ON u (mail COLLATE NOCASE) WHERE gone = 0`,
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, schema, "u")
			a.exec(`INSERT INTO u VALUES (1, 'e@x', 0), (3, 'other', 0)`)
			a.seal()
			b.exec(`INSERT INTO u VALUES (2, 'E@X', 0)`)
			converge(t, a, b)
			for _, n := range []*node{a, b} {
				if got := n.text(`SELECT group_concat(id) FROM u`); got != "1,3" {
					t.Errorf("rows %s are in the table, want 1,3", got)
				}
				if list := n.conflicts(); len(list) != 1 || list[0].Kind != "unique" {
					t.Errorf("conflicts are %+v", list)
				}
			}
			b.exec(`UPDATE u SET gone = 1 WHERE id = 1`)
			converge(t, a, b)
			for _, n := range []*node{a, b} {
				if got := n.text(`SELECT group_concat(id || mail, ' ') FROM u`); got != "1e@x 2E@X 3other" {
					t.Errorf("rows are %s", got)
				}
				if list := n.conflicts(); len(list) != 0 {
					t.Errorf("conflicts are %+v", list)
				}
			}
		})
	}
}
