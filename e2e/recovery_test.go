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

// Two copies that could not notice it have written as one, each heard by another
// node. When these meet, the chain is told to have two ends, other changes flow,
// and all that was written comes to be everywhere.
func TestForkAmongNodes(t *testing.T) {
	x, p := meet(t, "t", `id INTEGER PRIMARY KEY, v`)
	dir := t.TempDir()
	y, q := newNode(t, dir, "y"), newNode(t, dir, "q")
	y.sqlite(`CREATE TABLE t (id INTEGER PRIMARY KEY, v);`)
	y.must("watch", "t")
	p.sqlite(`INSERT INTO t VALUES (1, 'of both'), (2, 'deleted by q');`)
	waitEqual(t, x, p)
	p.stop()
	x.stop()

	// The witness is made to say nothing, as where a whole machine is cloned.
	p.sqlite(`.backup '` + q.path + `'`)
	q.sqlite(`UPDATE sqlsync_node SET witness = NULL; DELETE FROM sqlsync_remote;`)
	copyFile(t, p.path+"-sqlsync.key", q.path+"-sqlsync.key")
	if err := os.Chmod(q.path+"-sqlsync.key", 0o600); err != nil {
		t.Fatal(err)
	}
	introduce(y, q)
	x.serve()
	y.serve()
	p.serve()
	q.serve()
	p.sqlite(`INSERT INTO t VALUES (10, 'of p');`)
	waitFor(t, "x to have p's", func() bool { return x.sqlite(`SELECT count(*) FROM t WHERE id = 10`) == "1" })
	p.sqlite(`INSERT INTO t VALUES (11, 'of p');`)
	q.sqlite(`INSERT INTO t VALUES (20, 'of q'); DELETE FROM t WHERE id = 2;`)
	waitFor(t, "x to have p's and y q's", func() bool {
		return x.sqlite(`SELECT count(*) FROM t WHERE id = 11`) == "1" && y.sqlite(`SELECT count(*) FROM t WHERE id = 20`) == "1"
	})
	x.sqlite(`INSERT INTO t VALUES (30, 'of x');`)
	y.sqlite(`INSERT INTO t VALUES (40, 'of y');`)
	introduce(x, y)
	waitEqual(t, x, y, p, q)
	waitFor(t, "everything to be there", func() bool {
		return q.sqlite(`SELECT group_concat(id) FROM (SELECT id FROM t ORDER BY id)`) == "1,10,11,20,30,40"
	})
	told := x.must("status") + y.must("status")
	if !strings.Contains(told, "two different batches") || !strings.Contains(told, "key new --yes") {
		t.Errorf("nobody tells: %s", told)
	}
	p.sqlite(`INSERT INTO t VALUES (50, 'goes on');`)
	q.sqlite(`INSERT INTO t VALUES (51, 'goes on');`)
	waitEqual(t, x, y, p, q)
	for _, n := range []*node{x, y, p, q} {
		n.must("verify")
	}
}

// A batch that is damaged or missing in the only file that has it keeps nobody
// from the rows.
func TestGapThatNobodyCanFill(t *testing.T) {
	a, b := meet(t, "t", `id INTEGER PRIMARY KEY, v`)
	b.sqlite(`INSERT INTO t VALUES (1, 'of b');`)
	waitEqual(t, a, b)
	b.stop()
	for _, id := range []string{"2", "3", "4", "5"} {
		a.sqlite(`INSERT INTO t VALUES (` + id + `, 'row');`)
		waitFor(t, "the seal", func() bool { return strings.Contains(a.must("log"), "id="+id+" ") })
	}
	a.sqlite(`UPDATE sqlsync_batch SET sealed = x'00' WHERE pos = (SELECT max(pos) - 1 FROM sqlsync_batch);
		DELETE FROM sqlsync_batch WHERE pos = (SELECT max(pos) - 2 FROM sqlsync_batch);`)
	b.sqlite(`INSERT INTO t VALUES (6, 'of b meanwhile');`)
	b.serve()
	waitEqual(t, a, b)
	if got := b.sqlite(`SELECT count(*) FROM t`); got != "6" {
		t.Errorf("%s rows of 6", got)
	}
	out, _, code := a.run("verify")
	if code != 1 || !strings.Contains(out, "batch missing") || !strings.Contains(out, "batch damaged") {
		t.Errorf("verify: exit %d, %s", code, out)
	}
	waitFor(t, "what b has confirmed to be dropped", func() bool {
		a.must("prune", "--yes")
		_, _, code := a.run("verify")
		return code == 0
	})
}
