package e2e_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// start runs a serve with these arguments until the test ends.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary, append([]string{"serve"}, args...)...), done: make(chan struct{})}
	p.cmd.Stderr = p
	p.cmd.Env = append(os.Environ(), env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("log of serve %q:\n%s", args, p.text())
		}
	})
	return p
}

// says waits until a serve has written a line that matches.
func (p *process) says(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var m []string
	waitFor(t, "serve to say "+pattern, func() bool {
		m = re.FindStringSubmatch(p.text())
		return m != nil
	})
	return m
}

// exits asks a serve to stop and returns its exit code.
func (p *process) exits(t *testing.T) (code int) {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	waitFor(t, "serve to end", func() bool {
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	})
	return p.cmd.ProcessState.ExitCode()
}

// Tenants: a folder of databases behind one address, each with a peer of its
// own; one comes while it runs, and one goes.
func TestManyDatabasesAtOneAddress(t *testing.T) {
	needSqlite3(t)
	dir := t.TempDir()
	tenants := filepath.Join(dir, "tenants")
	if err := os.Mkdir(tenants, 0o755); err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	pair := func(name string) (here, there *node) {
		here, there = newNode(t, tenants, name), newNode(t, dir, name)
		for i, n := range []*node{here, there} {
			n.sqlite(fmt.Sprintf(`CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (%d, '%s');`, i+1, name))
			n.must("watch", "t")
		}
		here.must("remote", "add", "there", there.key())
		there.must("remote", "add", "here", here.key(), "--addr", addr)
		return here, there
	}
	here1, there1 := pair("one")
	here2, there2 := pair("two")
	p := start(t, nil, "--db", filepath.Join(tenants, "*.db"), "--listen", addr)
	p.says(t, `serving \S*one.db on `)
	p.says(t, `serving \S*two.db on `)
	q := start(t, nil, "--db", there1.path, "--db", there2.path)
	waitEqual(t, here1, there1)
	waitEqual(t, here2, there2)
	if here1.digest() == here2.digest() {
		t.Error("the databases are one")
	}

	// A database that is being made is left alone until it has a table.
	if err := os.WriteFile(filepath.Join(tenants, "new.db"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	here3, there3 := pair("three")
	p.says(t, `serving \S*three.db on `)
	there3.must("sync")
	waitEqual(t, here3, there3)
	if strings.Contains(p.text(), "new.db") {
		t.Error("a database without tables is served")
	}
	newNode(t, tenants, "new").sqlite(`CREATE TABLE t (id INTEGER PRIMARY KEY)`)
	p.says(t, `serving \S*new.db on `)

	for _, suffix := range []string{"", "-wal", "-shm", "-sqlsync.key"} {
		os.Remove(here2.path + suffix)
	}
	p.says(t, `no longer serving \S*two.db`)
	here1.sqlite(`INSERT INTO t VALUES (9, 'later')`)
	waitEqual(t, here1, there1)
	here2.sqlite(`CREATE TABLE t (id INTEGER PRIMARY KEY)`) // another by the same name
	waitFor(t, "the new file to be served", func() bool {
		return strings.Count(p.text(), "two.db on ") == 2
	})
	for _, s := range []*process{p, q} {
		if code := s.exits(t); code != 0 {
			t.Errorf("exit %d", code)
		}
	}
}

func TestOneDatabaseFailsTheOthersGoOn(t *testing.T) {
	needSqlite3(t)
	dir := t.TempDir()
	good, bad := newNode(t, dir, "good"), newNode(t, dir, "bad")
	good.sqlite(`CREATE TABLE t (id INTEGER PRIMARY KEY, v)`)
	good.must("watch", "t")
	if err := os.WriteFile(bad.path, bytes.Repeat([]byte("no database "), 100), 0o644); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "--db", bad.path, "--db", good.path)
	p.says(t, `bad.db is not a SQLite database`)
	good.sqlite(`INSERT INTO t VALUES (1, 2)`)
	waitFor(t, "the seal", func() bool { return strings.Contains(good.must("log"), "id=1") })

	// It is tried again.
	if err := os.Remove(bad.path); err != nil {
		t.Fatal(err)
	}
	bad.sqlite(`CREATE TABLE t (id INTEGER PRIMARY KEY, v)`)
	p.says(t, `serving \S*bad.db as`)
	if code := p.exits(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestStopsWhileTheApplicationHasTheLock(t *testing.T) {
	needSqlite3(t)
	n := newNode(t, t.TempDir(), "a")
	n.sqlite(`CREATE TABLE t (id INTEGER PRIMARY KEY, v)`)
	n.must("watch", "t")
	n.serve()
	db, err := sql.Open("sqlite", "file:"+n.path+"?_pragma=busy_timeout(20000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), `BEGIN EXCLUSIVE`); err != nil {
		t.Fatal(err)
	}
	if code := n.proc.exits(t); code != 0 { // it exits although the lock stays
		t.Errorf("exit %d", code)
	}
	n.proc = nil
}

func TestServeTellsSystemd(t *testing.T) {
	needSqlite3(t)
	dir, err := os.MkdirTemp("", "sqlsync") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "n"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	n := newNode(t, dir, "a")
	n.sqlite(`CREATE TABLE t (id INTEGER PRIMARY KEY, v)`)
	p := start(t, []string{"NOTIFY_SOCKET=" + socket.LocalAddr().String(), "WATCHDOG_USEC=300000"}, "--db", n.path)
	hear := func(want string) {
		t.Helper()
		socket.SetReadDeadline(time.Now().Add(patience))
		var heard []string
		for b := make([]byte, 4096); ; {
			size, err := socket.Read(b)
			if err != nil {
				t.Fatalf("waiting for %s, heard %q: %v", want, heard, err)
			}
			heard = append(heard, string(b[:size]))
			if strings.HasPrefix(string(b[:size]), want) {
				return
			}
		}
	}
	hear("READY=1\nSTATUS=1 database served")
	hear("WATCHDOG=1")
	hear("WATCHDOG=1")
	go p.exits(t)
	hear("STOPPING=1")
	<-p.done
}
