// Package oldlib_test has applications with other SQLite libraries than
// sqlsync's write beside the real binary; the oldest brings SQLite 3.8.5.
// It is a module of its own because that library needs cgo.
package oldlib_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) { os.Exit(runMain(m)) }

func runMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sqlsync-oldlib-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "sqlsync")
	build := exec.Command("go", "build", "-o", binary, "./cmd/sqlsync")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build sqlsync:", err)
		return 1
	}
	return m.Run()
}

// node is one database with the command line around it.
type node struct {
	t    *testing.T
	name string
	path string
	addr string
	proc *process
}

func newNode(t *testing.T, dir, name string) *node {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // serve listens there next
	return &node{t: t, name: name, path: filepath.Join(dir, name+".db"), addr: l.Addr().String()}
}

// must runs a verb that has to succeed.
func (n *node) must(args ...string) string {
	n.t.Helper()
	cmd := exec.Command(binary, append([]string{"--db", n.path}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		n.t.Fatalf("%s: sqlsync %s: %v\n%s%s", n.name, strings.Join(args, " "), err, &out, &errs)
	}
	return strings.TrimSpace(out.String())
}

// process is a running serve.
type process struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	log  bytes.Buffer
	done chan struct{}
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

var serving = regexp.MustCompile(`serving .* on 127\.0\.0\.1:\d+ as`)

// serve starts serve and waits until it accepts peers.
func (n *node) serve() {
	n.t.Helper()
	p := &process{cmd: exec.Command(binary, "--db", n.path, "serve", "--listen", n.addr), done: make(chan struct{})}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.done) }()
	n.proc = p
	n.t.Cleanup(func() {
		n.stop()
		if n.t.Failed() {
			n.t.Logf("log of %s:\n%s", n.name, p.text())
		}
	})
	waitFor(n.t, n.name+" to listen", func() bool {
		select {
		case <-p.done:
			n.t.Fatalf("%s: serve ended: %s", n.name, p.text())
		default:
		}
		return serving.MatchString(p.text())
	})
}

// stop ends serve in the ordinary way.
func (n *node) stop() {
	if n.proc == nil {
		return
	}
	n.proc.cmd.Process.Signal(syscall.SIGTERM)
	<-n.proc.done
	n.proc = nil
}

// cloneOf makes the node a replica of one that is served, and serves it.
func (n *node) cloneOf(a *node) {
	n.t.Helper()
	n.must("init")
	a.must("remote", "add", n.name, n.must("key"))
	a.serve()
	n.must("clone", a.must("key")+"@"+a.addr, n.path, "--name", a.name)
	n.serve()
}

// patience bounds how long a condition is waited for. It only has to be longer
// than a busy machine needs.
const patience = 2 * time.Minute

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-late:
			t.Fatalf("waited %v for %s", patience, what)
		case <-tick.C:
		}
	}
}

// waitEqual waits until two nodes have the same digests of the same tables.
func waitEqual(t *testing.T, a, b *node) {
	t.Helper()
	waitFor(t, "equal digests", func() bool { return a.must("digest", "--json") == b.must("digest", "--json") })
	for _, n := range []*node{a, b} {
		if got := n.must("conflicts", "list", "--json"); got != "[]" {
			t.Errorf("%s: conflicts %s", n.name, got)
		}
	}
}
