//go:build !windows

package shell

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestMain lets the test binary be the shell itself: line editing works on the
// process's own terminal only.
func TestMain(m *testing.M) {
	file := os.Getenv("SHELL_TEST_DB")
	if file == "" {
		os.Exit(m.Run())
	}
	os.Exit(beShell(file))
}

func beShell(file string) int {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer db.Close()
	err = Run(context.Background(), Options{
		DB: db, Out: os.Stdout, Err: os.Stderr, Interactive: true,
		HistoryFile: os.Getenv("SHELL_TEST_HISTORY"), Mode: "list",
	})
	if err != nil {
		fmt.Println("ended with", err)
		return 1
	}
	return 0
}

// terminal is a shell on a pseudo-terminal: type, then wait for what appears.
type terminal struct {
	t    *testing.T
	tty  *os.File
	cmd  *exec.Cmd
	seen chan byte
}

func newTerminal(t *testing.T, db, history string) *terminal {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SHELL_TEST_DB="+db, "SHELL_TEST_HISTORY="+history, "TERM=xterm")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 200})
	if err != nil {
		t.Skip("NOT TESTED: no pseudo-terminal:", err)
	}
	x := &terminal{t: t, tty: tty, cmd: cmd, seen: make(chan byte, 1<<16)}
	go func() {
		defer close(x.seen)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			for _, b := range buf[:n] {
				x.seen <- b
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { cmd.Process.Kill(); tty.Close() })
	return x
}

func (x *terminal) typed(keys string) {
	x.t.Helper()
	if _, err := io.WriteString(x.tty, keys); err != nil {
		x.t.Fatal(err)
	}
}

// wait reads until text has appeared since the last wait.
func (x *terminal) wait(text string) {
	x.t.Helper()
	timeout := time.After(20 * time.Second)
	var got strings.Builder
	for !strings.HasSuffix(got.String(), text) {
		select {
		case b, ok := <-x.seen:
			if !ok {
				x.t.Fatalf("the shell ended before %q: %q", text, got.String())
			}
			got.WriteByte(b)
		case <-timeout:
			x.t.Fatalf("no %q in %q", text, got.String())
		}
	}
}

func (x *terminal) ended() {
	x.t.Helper()
	for range x.seen {
	}
	if err := x.cmd.Wait(); err != nil {
		x.t.Error(err)
	}
}

const (
	tab   = "\t"
	enter = "\r"
	up    = "\x1b[A"
	ctrlC = "\x03"
	ctrlD = "\x04"
	ctrlR = "\x12"
)

func TestTerminal(t *testing.T) {
	dir := t.TempDir()
	db, history := filepath.Join(dir, "a.db"), filepath.Join(dir, "not", "there", "history")
	if _, _, err := runScript(t, openDB(t, db), "CREATE TABLE customers(id, nickname); INSERT INTO customers VALUES (1, 'ann');"); err != nil {
		t.Fatal(err)
	}
	x := newTerminal(t, db, history)
	x.wait("sqlsync> ")
	// Completion of a keyword, a column and a table.
	x.typed("sel" + tab)
	x.wait("select")
	x.typed(" nick" + tab)
	x.wait("nickname")
	x.typed(" from cust" + tab)
	x.wait("customers")
	x.typed(";" + enter)
	x.wait("\nann\r\n")
	x.wait("sqlsync> ")
	// A statement over two lines.
	x.typed("SELECT 40" + enter)
	x.wait("   ...> ")
	x.typed("+2;" + enter)
	x.wait("\n42\r\n")
	x.wait("sqlsync> ")
	// Ctrl-C drops the lines so far. It is a key only once the editor echoes.
	x.typed("SELECT 'dropped'" + enter)
	x.wait("   ...> ")
	x.typed("more")
	x.wait("more")
	x.typed(ctrlC)
	x.wait("sqlsync> ")
	// An error is shown, and the shell goes on; .mode is completed.
	x.typed("SELECT nope;" + enter)
	x.wait("sqlsync: no such column: nope\r\n")
	x.wait("sqlsync> ")
	x.typed(".mode js" + tab)
	x.wait(".mode json")
	x.typed(enter)
	x.wait("sqlsync> ")
	// History: the last statement but one.
	x.typed(up + up)
	x.wait("SELECT nope;")
	x.typed(up + up + up)
	x.wait("SELECT 40")
	x.typed("*2 AS n;" + enter)
	x.wait("\n[{\"n\":80}]\r\n")
	x.wait("sqlsync> ")
	// Ctrl-C stops a statement that has shown its only row; a transaction lives on.
	x.typed("BEGIN;" + enter)
	x.wait("sqlsync> ")
	x.typed("INSERT INTO customers VALUES (2, 'bob');" + enter)
	x.wait("sqlsync> ")
	x.typed(endless + enter)
	x.wait("[{\"x\":1}")
	x.typed(ctrlC)
	x.wait("sqlsync: interrupted\r\n")
	x.wait("sqlsync> ")
	x.typed("COMMIT;" + enter)
	x.wait("sqlsync> ")
	x.typed(ctrlD)
	x.ended()

	// The history is there in the next run, and for its owner only.
	st, err := os.Stat(history)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Error(st, err)
	}
	x = newTerminal(t, db, history)
	x.wait("sqlsync> ")
	x.typed(ctrlR + "nickname")
	x.wait("select nickname from customers;")
	x.typed(enter)
	x.wait("\nann\r\nbob\r\n")
	x.wait("sqlsync> ")
	x.typed(".quit" + enter)
	x.ended()
}
