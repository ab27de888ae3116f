//go:build linux

package e2e_test

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// lan is a network that this test alone is in, and whatever runs enters.
type lan struct{ holder *exec.Cmd }

// newLan needs the right to make one: without it the test is skipped.
func newLan(t *testing.T) *lan {
	t.Helper()
	for _, program := range []string{"unshare", "nsenter", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIPPED: %v", err)
		}
	}
	// It lasts as long as its standard input.
	l := &lan{exec.Command("unshare", "-n", "sh", "-c", "ip link set lo up multicast on && echo up && exec cat")}
	in, err := l.holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := l.holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.holder.Start(); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	t.Cleanup(func() { in.Close(); l.holder.Wait() })
	b := make([]byte, 10)
	if n, err := out.Read(b); err != nil || strings.TrimSpace(string(b[:n])) != "up" {
		t.Skip("SKIPPED: cannot make a network of its own")
	}
	return l
}

// enter is the command line by which a program runs there.
func (l *lan) enter() []string {
	return []string{"nsenter", "-n", "-t", strconv.Itoa(l.holder.Process.Pid)}
}

// Two nodes that know of each other the key and nothing else meet on a network,
// and a third that nobody added does not.
func TestDiscover(t *testing.T) {
	needSqlite3(t)
	l := newLan(t)
	dir := t.TempDir()
	a, b, c := newNode(t, dir, "a"), newNode(t, dir, "b"), newNode(t, dir, "c")
	for _, n := range []*node{a, b, c} {
		n.sqlite(`CREATE TABLE items (id INTEGER PRIMARY KEY, v)`)
		n.must("watch", "items")
		n.within, n.flags = l.enter(), []string{"--discover", "--log-level", "debug"}
	}
	a.must("remote", "add", "b", b.key())
	b.must("remote", "add", "a", a.key())
	c.must("remote", "add", "a", a.key())
	a.addr, b.addr, c.addr = "127.0.0.1:17001", "127.0.0.1:17002", "127.0.0.1:17003"
	for _, n := range []*node{a, b, c} {
		n.serve()
	}
	a.sqlite(`INSERT INTO items VALUES (1, 'a')`)
	b.sqlite(`INSERT INTO items VALUES (2, 'b')`)
	c.sqlite(`INSERT INTO items VALUES (3, 'c')`)
	waitEqual(t, a, b)
	waitFor(t, "c to be refused", func() bool { return strings.Contains(a.must("remote", "list"), c.key()) })

	// At another address it is found again.
	b.stop()
	b.addr = "127.0.0.1:17004"
	a.sqlite(`INSERT INTO items VALUES (4, 'a')`)
	b.serve()
	waitEqual(t, a, b)
	if got := a.sqlite(`SELECT count(*) FROM items`); got != "3" {
		t.Errorf("a has %s rows", got)
	}
	if got := a.must("remote", "list", "--json"); !strings.Contains(got, `"addrs": [],`) {
		t.Errorf("what was seen is kept: %s", got)
	}
}
