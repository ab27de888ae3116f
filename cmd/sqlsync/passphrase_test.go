//go:build !windows

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// asking is askSecret on a pseudo-terminal.
type asking struct {
	t      *testing.T
	a      *app
	person *os.File // the other end of a's terminal
	before *term.State
	answer chan string
	failed chan error
}

func newAsking(t *testing.T) *asking {
	person, tty, err := pty.Open()
	if err != nil {
		t.Skip("NOT TESTED: no pseudo-terminal:", err)
	}
	t.Cleanup(func() { person.Close(); tty.Close() })
	x := &asking{t: t, a: &app{stdin: tty, stderr: io.Discard}, person: person, answer: make(chan string, 1), failed: make(chan error, 1)}
	x.before = x.state()
	return x
}

func (x *asking) state() *term.State {
	x.t.Helper()
	fd, ok := x.a.terminal()
	if !ok {
		x.t.Fatal("no terminal")
	}
	s, err := term.GetState(fd)
	if err != nil {
		x.t.Fatal(err)
	}
	return s
}

// ask begins to ask and returns when the terminal shows nothing any more.
func (x *asking) ask(ctx context.Context) {
	x.t.Helper()
	go func() {
		s, err := x.a.askSecret(ctx, "passphrase")
		x.answer <- s
		x.failed <- err
	}()
	for deadline := time.Now().Add(time.Minute); reflect.DeepEqual(x.state(), x.before); runtime.Gosched() {
		if time.Now().After(deadline) {
			x.t.Fatal("the terminal shows what is typed")
		}
	}
}

func TestPassphraseIsNotShown(t *testing.T) {
	x := newAsking(t)
	x.ask(t.Context())
	x.person.Write([]byte("tea for two\n"))
	if got, err := <-x.answer, <-x.failed; got != "tea for two" || err != nil {
		t.Errorf("answer %q, %v", got, err)
	}
	if !reflect.DeepEqual(x.state(), x.before) {
		t.Error("the terminal is not as it was")
	}
	x.a.stdin.(*os.File).WriteString("end")
	shown := make([]byte, 100)
	n, err := x.person.Read(shown)
	if err != nil || !bytes.Equal(shown[:n], []byte("end")) {
		t.Errorf("shown %q, %v", shown[:n], err)
	}
}

func TestPassphraseInterrupted(t *testing.T) {
	x := newAsking(t)
	ctx, cancel := context.WithCancel(t.Context())
	x.ask(ctx)
	cancel()
	if got, err := <-x.answer, <-x.failed; got != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("answer %q, %v", got, err)
	}
	if !reflect.DeepEqual(x.state(), x.before) {
		t.Error("the terminal is not as it was")
	}
	x.person.Write([]byte("\n")) // for the read that is left
}
