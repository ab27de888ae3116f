package e2e_test

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// Bytes from strangers end their connection and nothing else.
func TestStrangers(t *testing.T) {
	a, b := meet(t, "t", `id INTEGER PRIMARY KEY, v`)
	for _, bytes := range []string{"", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("\xff", 70_000), "\x00\x30" + strings.Repeat("x", 48), strings.Repeat("\x00", 1000)} {
		c, err := net.Dial("tcp", a.addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, bytes) // a refused write is as good
		if bytes == "" {
			defer c.Close() // and one that says nothing at all
			continue
		}
		answer, _ := io.ReadAll(c)
		if len(answer) > 0 && !strings.HasPrefix(bytes, "\x00\x30") {
			t.Errorf("%d bytes of a stranger's were answered with %q", len(bytes), answer)
		}
		c.Close()
	}
	a.sqlite(`INSERT INTO t VALUES (1, 'still here');`)
	waitEqual(t, a, b)
}

// Three nodes in a ring of connections: every change once, no echo.
func TestRing(t *testing.T) {
	needSqlite3(t)
	dir := t.TempDir()
	nodes := []*node{newNode(t, dir, "a"), newNode(t, dir, "b"), newNode(t, dir, "c")}
	for _, n := range nodes {
		n.sqlite(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE u (name TEXT PRIMARY KEY, at);`)
		n.must("watch", "t", "u")
	}
	introduce(nodes[0], nodes[1])
	introduce(nodes[1], nodes[2])
	introduce(nodes[2], nodes[0])
	for _, n := range nodes {
		n.serve()
	}
	nodes[0].sqlite(`INSERT INTO t VALUES (1, 0);`)
	waitEqual(t, nodes...)
	var script strings.Builder
	for range 3000 {
		script.WriteString("UPDATE t SET n = n + 1;\n")
	}
	for i, n := range nodes[1:] {
		n.sqlite(fmt.Sprintf(`INSERT INTO u VALUES ('%d', 1);`, i))
	}
	nodes[0].sqlite(`PRAGMA synchronous = 0;` + script.String())
	waitEqual(t, nodes...)
	for _, n := range nodes {
		if got := n.sqlite(`SELECT n FROM t; SELECT count(*) FROM u;`); got != "3000\n2" {
			t.Errorf("%s: %s", n.name, got)
		}
		if got := strings.TrimSpace(n.must("conflicts", "list", "--json")); got != "[]" {
			t.Errorf("%s: conflicts %s", n.name, got)
		}
	}
}

// An application that takes the whole file for itself is waited for, and a
// database in UTF-16, with other pages and a rollback journal, is a peer like
// any other.
func TestOddNeighbours(t *testing.T) {
	needSqlite3(t)
	dir := t.TempDir()
	a, b := newNode(t, dir, "a"), newNode(t, dir, "b")
	a.sqlite(`PRAGMA encoding = 'UTF-16le'; PRAGMA page_size = 512; CREATE TABLE t (id TEXT PRIMARY KEY, v);`)
	b.sqlite(`PRAGMA page_size = 65536; PRAGMA journal_mode = WAL; CREATE TABLE t (id TEXT PRIMARY KEY, v);`)
	for _, n := range []*node{a, b} {
		n.must("watch", "t")
	}
	introduce(a, b)
	a.serve()
	b.serve()
	a.sqlite(`INSERT INTO t VALUES ('é', 'naïve'), ('☃', char(0x1f600)), ('z', x'00ff');`)
	b.sqlite(`INSERT INTO t VALUES ('ß', 1.0);`)
	waitEqual(t, a, b)

	// A lock that is held while the other side writes.
	db, err := sql.Open("sqlite", b.path+"?_pragma=busy_timeout(20000)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`BEGIN EXCLUSIVE; INSERT INTO t VALUES ('locked', 1)`); err != nil {
		t.Fatal(err)
	}
	a.sqlite(`UPDATE t SET v = 'written meanwhile' WHERE id = 'z';`)
	if _, err := db.Exec(`COMMIT`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	waitEqual(t, a, b)
	if got := a.sqlite(`SELECT v FROM t WHERE id IN ('z', 'locked') ORDER BY id;`); got != "1\nwritten meanwhile" {
		t.Errorf("a has %s", got)
	}
	a.sqlite(`VACUUM;`)
	b.sqlite(`VACUUM;`)
	a.sqlite(`DELETE FROM t WHERE id = 'z';`)
	waitEqual(t, a, b)
}

// An application without any patience goes on while it is served: whoever
// holds the lock, it is not for long.
func TestImpatientApplication(t *testing.T) {
	a, b := meet(t, "t", `id INTEGER PRIMARY KEY, v`)
	busy := 0
	for i := range 60 {
		for {
			cmd := exec.Command("sqlite3", "-bail", a.path, fmt.Sprintf("INSERT INTO t VALUES (%d, 'x');", i)) // no .timeout
			if cmd.Run() == nil {
				break
			}
			if busy++; busy > 600 {
				t.Fatal("the application gets no chance to write")
			}
		}
	}
	waitEqual(t, a, b)
	t.Logf("%d of %d writes met our lock and were tried again", busy, 60+busy)
}
