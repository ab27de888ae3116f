//go:build linux || windows

package filewatch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func watch(t *testing.T, path string) *Watcher {
	t.Helper()
	w, err := New(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// signalled waits for a signal.
func signalled(t *testing.T, w *Watcher) {
	t.Helper()
	select {
	case <-w.Events:
	case <-time.After(time.Minute):
		t.Fatal("no signal")
	}
}

func TestWritesAreTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	w := watch(t, path)
	for _, suffix := range []string{"", "-wal", "-journal"} {
		write(t, path+suffix)
		signalled(t, w)
	}
	for len(w.Events) > 0 {
		<-w.Events
	}
	if err := os.Remove(path + "-journal"); err != nil {
		t.Fatal(err)
	}
	signalled(t, w)
}

// Of many databases in one folder each is told of its own writes, and all
// together take one inotify instance.
func TestManyDatabasesShareAWatch(t *testing.T) {
	dir := t.TempDir()
	before := instances(t)
	var list []*Watcher
	for i := range 200 { // a user may have 128 instances by default
		list = append(list, watch(t, filepath.Join(dir, fmt.Sprintf("%d.db", i))))
	}
	if n := instances(t) - before; n > 1 {
		t.Errorf("%d inotify instances", n)
	}
	write(t, filepath.Join(dir, "7.db-wal"))
	signalled(t, list[7])
	for i, w := range list {
		if i != 7 && len(w.Events) > 0 {
			t.Errorf("%d was told of another's write", i)
		}
	}
	for i, w := range list {
		if i != 7 {
			w.Close()
		}
	}
	for len(list[7].Events) > 0 {
		<-list[7].Events
	}
	write(t, filepath.Join(dir, "7.db"))
	signalled(t, list[7])
	list[7].Close()
	if n := instances(t) - before; n != 0 {
		t.Errorf("%d inotify instances are left", n)
	}
}

// Two watch one file, and one of them goes.
func TestTwoWatchOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	a, b := watch(t, path), watch(t, path)
	write(t, path)
	signalled(t, a)
	signalled(t, b)
	a.Close()
	for len(b.Events) > 0 {
		<-b.Events
	}
	write(t, path)
	signalled(t, b)
}

// What nobody can watch is an error, after which others can be watched.
func TestMissingFolder(t *testing.T) {
	dir := t.TempDir()
	if w, err := New(filepath.Join(dir, "no", "a.db")); err == nil {
		w.Close()
		t.Fatal("a folder that is not there is watched")
	}
	w := watch(t, filepath.Join(dir, "a.db"))
	write(t, filepath.Join(dir, "a.db"))
	signalled(t, w)
}

// instances is how many inotify instances this process has.
func instances(t *testing.T) (n int) {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && strings.Contains(to, "inotify") {
			n++
		}
	}
	return n
}
