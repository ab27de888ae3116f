package e2e_test

import (
	"io"
	"os"
	"strings"
	"testing"
)

// copyFile copies a file as cp does: what is there keeps its inode.
func copyFile(tb testing.TB, from, to string) {
	tb.Helper()
	in, err := os.Open(from)
	if err != nil {
		tb.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err == nil {
		_, err = io.Copy(out, in)
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// A backup is put back, while serve runs and while it does not; the application
// writes before any peer is there. What only the peer still has comes back, what
// was written since stays, and the node is known by its name.
func TestBackupPutBack(t *testing.T) {
	for _, mode := range []string{"wal", "delete"} {
		t.Run(mode, func(t *testing.T) {
			needSqlite3(t)
			dir := t.TempDir()
			a, b := newNode(t, dir, "a"), newNode(t, dir, "b")
			for _, n := range []*node{a, b} {
				n.sqlite(`PRAGMA journal_mode = ` + mode + `; CREATE TABLE t (id INTEGER PRIMARY KEY, v);`)
				n.must("watch", "t")
			}
			introduce(a, b)
			a.serve()
			b.serve()
			a.sqlite(`INSERT INTO t VALUES (1, 'kept');`)
			waitEqual(t, a, b)
			backup := a.path + ".backup"
			a.sqlite(`.backup '` + backup + `'`)
			a.sqlite(`INSERT INTO t VALUES (2, 'lost'); UPDATE t SET v = 'changed' WHERE id = 1;`)
			waitEqual(t, a, b)

			// By SQLite's own means, while both are served.
			a.sqlite(`.restore '` + backup + `'`)
			a.sqlite(`INSERT INTO t VALUES (3, 'since');`)
			waitEqual(t, a, b)
			waitFor(t, "everything to be there", func() bool {
				return a.sqlite(`SELECT group_concat(id || v) FROM (SELECT * FROM t ORDER BY id)`) == "1changed,2lost,3since"
			})
			if said := a.must("status"); !strings.Contains(said, "goes on as another author") {
				t.Errorf("status says %s", said)
			}

			// As a file, while the node is stopped and the peer away.
			b.stop()
			a.stop()
			copyFile(t, backup, a.path)
			for _, tail := range []string{"-wal", "-shm", "-journal"} {
				os.Remove(a.path + tail)
			}
			a.sqlite(`INSERT INTO t VALUES (4, 'again');`)
			a.serve()
			waitFor(t, "the seal", func() bool { return strings.Contains(a.must("log"), "again") })
			b.serve()
			waitEqual(t, a, b)
			waitFor(t, "everything to be there", func() bool {
				return a.sqlite(`SELECT group_concat(id || v) FROM (SELECT * FROM t ORDER BY id)`) == "1changed,2lost,3since,4again"
			})
			for _, n := range []*node{a, b} {
				n.must("verify")
				if said := n.must("status", "--json"); !strings.Contains(said, `"forks": []`) {
					t.Errorf("%s: status says %s", n.name, said)
				}
			}
		})
	}
}

// Two copies of one database are served at once, with one key. Neither gives a
// number of the other's, what both write is everywhere, and the peer says what is
// the matter and what to do.
func TestTwins(t *testing.T) {
	hub, a := meet(t, "t", `id INTEGER PRIMARY KEY, v`)
	a.sqlite(`INSERT INTO t VALUES (1, 'of both');`)
	waitEqual(t, hub, a)
	twin := newNode(t, t.TempDir(), "twin")
	a.sqlite(`.backup '` + twin.path + `'`)
	copyFile(t, a.path+"-sqlsync.key", twin.path+"-sqlsync.key")
	if err := os.Chmod(twin.path+"-sqlsync.key", 0o600); err != nil {
		t.Fatal(err)
	}
	twin.serve()
	a.sqlite(`INSERT INTO t VALUES (2, 'of a');`)
	twin.sqlite(`INSERT INTO t VALUES (3, 'of its twin');`)
	waitEqual(t, hub, a, twin)
	if got := hub.sqlite(`SELECT count(*) FROM t`); got != "3" {
		t.Errorf("%s rows of 3", got)
	}
	waitFor(t, "the hub to say so", func() bool {
		return strings.Contains(hub.must("status"), "two databases connect with its key")
	})
	if said := hub.must("status"); !strings.Contains(said, "key new --yes") {
		t.Errorf("status says %s", said)
	}
	twin.stop()
	twin.must("key", "new", "--yes")
	hub.must("remote", "add", "twin", twin.key())
	twin.sqlite(`INSERT INTO t VALUES (4, 'of a node of its own');`)
	twin.serve()
	waitEqual(t, hub, a, twin)
}
