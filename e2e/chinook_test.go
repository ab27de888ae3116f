package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// chinook is a sample database of another project, which is not part of this
// one: it is used where it stands beside the checkout.
const chinook = "../../shared/data/chinook.db"

func copyChinook(t *testing.T, to string) {
	t.Helper()
	b, err := os.ReadFile(chinook)
	if err != nil {
		t.Skipf("SKIPPED: the Chinook sample database is not here: %v", err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func needSqlite3(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("SKIPPED: the sqlite3 program is not installed")
	}
}

// appSchema is the application's schema as the file has it.
func (n *node) appSchema() string {
	return n.sqlite(`SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlsync\_%' ESCAPE '\' AND tbl_name NOT LIKE 'sqlsync\_%' ESCAPE '\' ORDER BY name;`)
}

func (n *node) settings() string {
	return n.sqlite(`PRAGMA journal_mode; PRAGMA user_version; PRAGMA application_id; PRAGMA encoding; PRAGMA page_size;`)
}

// Three nodes: A has the file, B clones it, C began as another copy. All write
// by the sqlite3 program while they are served.
func TestChinook(t *testing.T) {
	needSqlite3(t)
	dir := t.TempDir()
	a, b, c := newNode(t, dir, "a"), newNode(t, dir, "b"), newNode(t, dir, "c")
	copyChinook(t, a.path)
	copyChinook(t, c.path)
	a.sqlite(`PRAGMA user_version = 7; PRAGMA application_id = 4711;`)
	c.sqlite(`PRAGMA user_version = 7; PRAGMA application_id = 4711;`)
	schema, settings := a.appSchema(), a.settings()

	out := a.must("watch", "--all")
	if n := strings.Count(out, "watched in primary"); n != 11 {
		t.Fatalf("watched %d tables:\n%s", n, out)
	}
	c.must("watch", "--all")
	b.must("init")
	a.addr = freeAddr(t)
	a.must("remote", "add", "b", b.key())
	introduce(a, c)
	a.serve()
	cmd := exec.Command(binary, "clone", a.key()+"@"+a.addr, b.path, "--name", "a")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("clone: %v\n%s", err, out)
	}
	b.serve()
	c.serve()
	waitEqual(t, a, b, c)
	for _, n := range []*node{a, b, c} {
		if got := strings.TrimSpace(n.must("conflicts", "list", "--json")); got != "[]" {
			t.Errorf("%s has conflicts: %s", n.name, got)
		}
	}

	for round := range 3 {
		for i, n := range []*node{a, b, c} {
			n.sqlite(chinookWork(1000+100*round+10*i, i))
		}
		waitEqual(t, a, b, c)
	}
	for _, n := range []*node{a, b, c} {
		n.stop()
		if got := n.sqlite(`PRAGMA integrity_check;`); got != "ok" {
			t.Errorf("%s: integrity_check: %s", n.name, got)
		}
		if got := n.appSchema(); got != schema {
			t.Errorf("%s: schema changed:\n%s", n.name, got)
		}
		if got := n.settings(); got != settings {
			t.Errorf("%s: settings are %q, were %q", n.name, got, settings)
		}
		if got := n.sqlite(`SELECT count(*) FROM Artist WHERE ArtistId >= 1000;`); got != "9" {
			t.Errorf("%s: %s new artists, want 9", n.name, got)
		}
		if got := strings.TrimSpace(n.must("conflicts", "list", "--json")); got != "[]" {
			t.Errorf("%s has conflicts: %s", n.name, got)
		}
	}
}

// chinookWork inserts, updates, deletes and changes keys. till keeps the nodes
// off each other's rows.
func chinookWork(id, till int) string {
	return fmt.Sprintf(`
BEGIN;
INSERT INTO Artist VALUES (%[1]d, 'Artist %[1]d');
INSERT INTO Album VALUES (%[1]d, 'Album ''%[1]d''', %[1]d);
COMMIT;
UPDATE Track SET UnitPrice = UnitPrice + 0.01, Composer = 'till %[2]d' WHERE TrackId %% 300 = %[2]d;
INSERT INTO Track SELECT 100000 + %[1]d * 10 + TrackId, Name, %[1]d, MediaTypeId, GenreId, Composer, Milliseconds, Bytes, UnitPrice FROM Track WHERE TrackId < 8;
DELETE FROM PlaylistTrack WHERE TrackId %% 97 = %[1]d %% 97 AND PlaylistId %% 3 = %[2]d;
INSERT OR REPLACE INTO PlaylistTrack SELECT 18, 100000 + %[1]d * 10 + TrackId FROM Track WHERE TrackId < 8;
UPDATE PlaylistTrack SET PlaylistId = 17 WHERE PlaylistId = 18 AND TrackId %% 2 = 0 AND TrackId / 10 = 10000 + %[1]d;
INSERT INTO Invoice SELECT 10000 + %[1]d, CustomerId, InvoiceDate, BillingAddress, BillingCity, BillingState, BillingCountry, BillingPostalCode, Total FROM Invoice WHERE InvoiceId = 1;
UPDATE Invoice SET InvoiceId = 20000 + %[1]d WHERE InvoiceId = 10000 + %[1]d;
UPDATE Customer SET Company = 'C%[1]d' WHERE CustomerId %% 3 = %[2]d AND CustomerId < 10;
`, id, till)
}

// What is committed while nobody serves is there when they meet again; what
// both changed is in the log of both.
func TestOfflineAndConflict(t *testing.T) {
	a, b := meet(t, "stock", `sku TEXT PRIMARY KEY, qty INTEGER, place TEXT`)
	a.sqlite(`INSERT INTO stock VALUES ('tea', 10, 'left'), ('milk', 5, 'right');`)
	waitEqual(t, a, b)
	b.stop()
	b.sqlite(`UPDATE stock SET qty = 9 WHERE sku = 'tea'; INSERT INTO stock VALUES ('rice', 1, NULL);`)
	a.sqlite(`UPDATE stock SET qty = 8 WHERE sku = 'tea'; UPDATE stock SET place = 'up' WHERE sku = 'milk';`)
	b.serve()
	waitEqual(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.sqlite(`SELECT count(*), sum(qty) FROM stock;`); got != "3|14" {
			t.Errorf("%s: stock is %s", n.name, got)
		}
		if got := n.must("conflicts", "list", "--json"); strings.Count(got, `"kind": "cell"`) != 1 {
			t.Errorf("%s: conflicts are %s", n.name, got)
		}
	}
}

// A node that is killed at any moment loses nothing that its application saw
// committed, and brings nothing twice.
func TestKilled(t *testing.T) {
	a, b := meet(t, "t", `id INTEGER PRIMARY KEY, n INTEGER`)
	a.sqlite(`INSERT INTO t VALUES (1, 0);`)
	for round := range 6 {
		var sql strings.Builder
		for range 50 {
			fmt.Fprintf(&sql, "UPDATE t SET n = n + 1 WHERE id = 1; INSERT INTO t (n) VALUES (%d);\n", round)
		}
		a.sqlite(sql.String())
		victim := []*node{a, b}[round%2]
		victim.kill()
		victim.serve()
	}
	waitEqual(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.sqlite(`SELECT n FROM t WHERE id = 1; SELECT count(*) FROM t; PRAGMA integrity_check;`); got != "300\n301\nok" {
			t.Errorf("%s: %s", n.name, got)
		}
	}
}

// Uninstall leaves the schema as it was, byte for byte.
func TestUninstall(t *testing.T) {
	needSqlite3(t)
	n := newNode(t, t.TempDir(), "a")
	copyChinook(t, n.path)
	before := n.sqlite(".dump")
	schema := n.appSchema()
	n.must("watch", "--all")
	n.sqlite(`UPDATE Artist SET Name = Name; DROP TABLE sqlsync_meta_1; DROP TRIGGER sqlsync_2_insert;`)
	n.must("uninstall", "--yes")
	if n.sqlite(".dump") != before || n.appSchema() != schema {
		t.Error("the dump is not what it was")
	}
	if got := n.sqlite(`SELECT count(*) FROM sqlite_master WHERE name LIKE '%sqlsync%' OR sql LIKE '%sqlsync%';`); got != "0" {
		t.Errorf("%s objects left", got)
	}
	if left, _ := filepath.Glob(n.path + "-sqlsync*"); len(left) != 0 {
		t.Errorf("files left: %v", left)
	}
}
