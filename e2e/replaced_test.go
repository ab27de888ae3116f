package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ended waits until a serve has ended by itself, and returns what it said.
func (n *node) ended() string {
	n.tb.Helper()
	p := n.proc
	waitFor(n.tb, "serve to end", func() bool {
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	})
	n.proc = nil
	if code := p.cmd.ProcessState.ExitCode(); code != 1 {
		n.tb.Errorf("exit %d, want 1: %s", code, p.text())
	}
	return p.text()
}

func (n *node) move(from, to string) {
	n.tb.Helper()
	if err := os.Rename(from, to); err != nil {
		n.tb.Fatal(err)
	}
}

// A file that is replaced or removed while it is served is let go at once, and
// what belongs to the new one is left as it is.
func TestReplacedWhileServed(t *testing.T) {
	needSqlite3(t)
	for _, mode := range []string{"wal", "delete"} {
		for name, replace := range map[string]func(*node){
			"moved over": func(n *node) { n.move(n.path+".new", n.path) },
			"removed":    func(n *node) { os.Remove(n.path) },
			"moved away": func(n *node) { n.move(n.path, n.path+".old") },
		} {
			t.Run(mode+" "+name, func(t *testing.T) {
				a := newNode(t, t.TempDir(), "a")
				a.sqlite(`PRAGMA journal_mode = ` + mode + `; CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'old');`)
				a.must("watch", "t")
				b := &node{tb: t, name: "new", path: a.path + ".new"}
				b.sqlite(`CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'new');`)
				a.serve()
				a.sqlite(`INSERT INTO t VALUES (2, 'captured');`)
				waitFor(t, "the seal", func() bool { return strings.Contains(a.must("log"), "captured") })
				replace(a)
				// What the new file's application has under these names.
				for _, suffix := range []string{"-wal", "-journal"} {
					os.Remove(a.path + suffix)
					if err := os.WriteFile(a.path+suffix, []byte("the new file's"), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				said := a.ended()
				if want := "sqlsync: " + a.path + " was replaced by another file (or removed) while it was served\nhint: start serve again"; !strings.Contains(said, want) {
					t.Errorf("serve said %s", said)
				}
				for _, suffix := range []string{"-wal", "-journal"} {
					if b, err := os.ReadFile(a.path + suffix); string(b) != "the new file's" {
						t.Errorf("%s: %q, %v", suffix, b, err)
					}
				}
			})
		}
	}
}

// servedTogether are two databases that one process serves.
func servedTogether(t *testing.T) (dir string, a, b *node, p *process) {
	needSqlite3(t)
	dir = t.TempDir()
	a, b = newNode(t, dir, "a"), newNode(t, dir, "b")
	for _, n := range []*node{a, b} {
		n.sqlite(`CREATE TABLE t (id INTEGER PRIMARY KEY, v);`)
		n.must("watch", "t")
	}
	p = &process{cmd: exec.Command(binary, "--db", a.path, "--db", b.path, "serve"), done: make(chan struct{})}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.done) }()
	b.proc = p
	t.Cleanup(b.kill)
	waitFor(t, "serve to begin", func() bool { return strings.Count(p.text(), "serving ") == 2 })
	return dir, a, b, p
}

// Of several databases only the one that was replaced ends; it is tried again.
func TestReplacedAmongOthers(t *testing.T) {
	dir, a, b, p := servedTogether(t)
	a.move(a.path, filepath.Join(dir, "elsewhere.db"))
	waitFor(t, "a to end", func() bool { return strings.Contains(p.text(), "no longer served") })
	b.sqlite(`INSERT INTO t VALUES (1, 'still served');`)
	waitFor(t, "b to be sealed", func() bool { return strings.Contains(b.must("log"), "still served") })
	if code := p.exits(t); code != 0 || !strings.Contains(p.text(), a.path+" was replaced by another file") {
		t.Errorf("exit %d: serve said %s", code, p.text())
	}
}

// dropOurs removes all of sqlsync from a database, as people may by hand.
func (n *node) dropOurs() {
	n.tb.Helper()
	drop := n.sqlite(`SELECT 'DROP ' || type || ' ' || name || ';' FROM sqlite_master
		WHERE name LIKE 'sqlsync%' AND type <> 'index' ORDER BY type = 'table', type = 'view';`)
	n.sqlite("BEGIN;" + drop + "COMMIT;")
}

// Of several databases the one that was uninstalled is not opened again, which
// would install into it.
func TestUninstalledAmongOthers(t *testing.T) {
	_, a, _, p := servedTogether(t)
	a.dropOurs()
	waitFor(t, "a to end", func() bool { return strings.Contains(p.text(), "no longer served") })
	if !strings.Contains(p.text(), "again=false") {
		t.Errorf("serve said %s", p.text())
	}
}

// A served database of which somebody has removed sqlsync is no longer served.
func TestUninstalledWhileServed(t *testing.T) {
	needSqlite3(t)
	a := newNode(t, t.TempDir(), "a")
	a.sqlite(`CREATE TABLE t (id INTEGER PRIMARY KEY, v);`)
	a.must("watch", "t")
	a.serve()
	a.dropOurs()
	if said := a.ended(); !strings.Contains(said, "sqlsync: sqlsync was uninstalled from "+a.path+" while it was served\nhint: ") {
		t.Errorf("serve said %s", said)
	}
}

// SQLite opens a file on a read-only disk without a word, and a transaction
// that happens to write nothing even succeeds.
func TestReadOnlyDisk(t *testing.T) {
	needSqlite3(t)
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	a := newNode(t, dir, "a")
	a.sqlite(`CREATE TABLE t (id INTEGER PRIMARY KEY, v);`)
	a.must("init")
	if out, err := exec.Command("mount", "--bind", dir, dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount: %v %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", dir).Run() })
	if out, err := exec.Command("mount", "-o", "remount,bind,ro", dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount read-only: %v %s", err, out)
	}
	for _, args := range [][]string{{"serve"}, {"watch", "t"}, {"watch", "--all"}, {"init"}} {
		out, errs, code := a.run(args...)
		if want := "sqlsync: " + a.path + " is read-only\nhint: "; code != 1 || out != "" || !strings.HasPrefix(errs, want) {
			t.Errorf("%v: exit %d, %s%s", args, code, out, errs)
		}
	}
}
