// Package e2e_test drives the real binary, the real sqlite3 program and real
// sockets.
package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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
	dir, err := os.MkdirTemp("", "sqlsync-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "sqlsync")
	args := []string{"build", "-o", binary}
	if raceEnabled {
		args = append(args, "-race", "-gcflags=modernc.org/sqlite/lib=-race=false", "-gcflags=modernc.org/libc/...=-race=false") // see Makefile
	}
	build := exec.Command("go", append(args, "sqlsync/cmd/sqlsync")...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build sqlsync:", err)
		return 1
	}
	if benchmarking() {
		describe(os.Stdout)
		defer told(os.Stdout, takeCPUTimes())
	}
	return m.Run()
}

// node is one database with the command line around it.
type node struct {
	tb   testing.TB
	name string
	path string
	addr string
	// flags are more flags of serve, within the command line that it runs in.
	flags, within []string
	proc          *process
	// verbPeak is the most memory that a verb has had, in MB.
	verbPeak float64
}

func newNode(tb testing.TB, dir, name string) *node {
	return &node{tb: tb, name: name, path: filepath.Join(dir, name+".db")}
}

// run runs a verb and returns what it printed and its exit code.
func (n *node) run(args ...string) (stdout, stderr string, code int) {
	n.tb.Helper()
	cmd := exec.Command(binary, append([]string{"--db", n.path}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		n.tb.Fatal(err)
	}
	n.verbPeak = max(n.verbPeak, peakOf(cmd.ProcessState))
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs a verb that has to succeed.
func (n *node) must(args ...string) string {
	n.tb.Helper()
	out, errs, code := n.run(args...)
	if code != 0 {
		n.tb.Fatalf("%s: sqlsync %s: exit %d\n%s%s", n.name, strings.Join(args, " "), code, out, errs)
	}
	return out
}

func (n *node) key() string { return strings.TrimSpace(n.must("key")) }

// sqlite runs SQL by the sqlite3 program.
func (n *node) sqlite(sql string) string {
	n.tb.Helper()
	cmd := exec.Command("sqlite3", "-bail", "-cmd", ".timeout 20000", n.path)
	cmd.Stdin = strings.NewReader(sql)
	out, err := cmd.CombinedOutput()
	if err != nil {
		n.tb.Fatalf("%s: sqlite3: %v\n%s\n%s", n.name, err, out, sql)
	}
	return strings.TrimSpace(string(out))
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

var servingOn = regexp.MustCompile(`serving .* on (127\.0\.0\.1:\d+) as`)

// serve starts serve, on the address it had before or a free one, and waits
// until it accepts peers.
func (n *node) serve() {
	n.tb.Helper()
	listen := n.addr
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	line := append(append([]string{}, n.within...), binary, "--db", n.path, "serve", "--listen", listen)
	line = append(line, n.flags...)
	p := &process{cmd: exec.Command(line[0], line[1:]...), done: make(chan struct{})}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		n.tb.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.done) }()
	n.proc = p
	n.tb.Cleanup(func() {
		n.stop()
		if n.tb.Failed() {
			n.tb.Logf("log of %s:\n%s", n.name, p.text())
		}
	})
	waitFor(n.tb, "serve to listen", func() bool {
		select {
		case <-p.done:
			n.tb.Fatalf("%s: serve ended: %s", n.name, p.text())
		default:
		}
		m := servingOn.FindStringSubmatch(p.text())
		if m != nil {
			n.addr = m[1]
		}
		return m != nil
	})
}

// stop ends serve in the ordinary way.
func (n *node) stop() { n.end(syscall.SIGTERM) }

// kill ends serve at once.
func (n *node) kill() { n.end(syscall.SIGKILL) }

func (n *node) end(sig os.Signal) {
	if n.proc == nil {
		return
	}
	n.proc.cmd.Process.Signal(sig)
	<-n.proc.done
	n.proc = nil
}

// introduce makes two nodes remotes of each other; b dials a.
func introduce(a, b *node) {
	a.tb.Helper()
	if a.addr == "" {
		a.addr = freeAddr(a.tb)
	}
	a.must("remote", "add", b.name, b.key())
	b.must("remote", "add", a.name, a.key(), "--addr", a.addr)
}

// digest returns the digests as one text.
func (n *node) digest() string {
	n.tb.Helper()
	var d struct {
		Tables map[string]struct {
			Rows   int
			Digest string
		}
	}
	if err := json.Unmarshal([]byte(n.must("digest", "--json")), &d); err != nil {
		n.tb.Fatal(err)
	}
	b, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		n.tb.Fatal(err)
	}
	return string(b)
}

// patience bounds how long a condition is waited for. It only has to be longer
// than a busy machine needs.
const patience = 3 * time.Minute

// waitFor waits until a condition holds.
func waitFor(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			tb.Fatalf("waited %v for %s", patience, what)
		case <-tick.C:
		}
	}
}

// waitEqual waits until all nodes have the same digests.
func waitEqual(tb testing.TB, nodes ...*node) {
	tb.Helper()
	waitFor(tb, "equal digests", func() bool {
		want := nodes[0].digest()
		for _, n := range nodes[1:] {
			if n.digest() != want {
				return false
			}
		}
		return true
	})
}

// meet makes two nodes with a table, which know each other and are served.
func meet(t *testing.T, table, columns string) (a, b *node) {
	t.Helper()
	needSqlite3(t)
	dir := t.TempDir()
	a, b = newNode(t, dir, "a"), newNode(t, dir, "b")
	for _, n := range []*node{a, b} {
		n.sqlite(`CREATE TABLE ` + table + ` (` + columns + `);`)
		n.must("watch", table)
	}
	introduce(a, b)
	a.serve()
	b.serve()
	return a, b
}
