//go:build linux

package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// On a full disk status says what serve cannot do; when there is room again it
// goes on and has lost nothing.
func TestFullDisk(t *testing.T) {
	needSqlite3(t)
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount: %v %s", err, out)
	}
	a := newNode(t, dir, "a")
	t.Cleanup(func() { a.stop(); exec.Command("umount", dir).Run() })
	a.sqlite(`PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v);`)
	a.must("watch", "t")
	a.serve()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	const room = 420 << 10 // for the application's transaction, not for ours too
	fill := filepath.Join(dir, "fill")
	if err := os.WriteFile(fill, bytes.Repeat([]byte{1}, int(fs.Bavail)*int(fs.Bsize)-room), 0o644); err != nil {
		t.Fatal(err)
	}
	a.sqlite(`INSERT INTO t SELECT value, hex(randomblob(400)) FROM generate_series(1, 300);`)
	const warning = "warning: cannot seal since "
	waitFor(t, "status to warn", func() bool { return strings.Contains(a.must("status"), warning) })
	if said := a.must("status"); !strings.Contains(said, "disk is full; make room on the disk") {
		t.Errorf("status says %s", said)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the rows to be sealed", func() bool { return strings.Contains(a.must("log"), "id=300 ") })
	waitFor(t, "the warning to go", func() bool { return !strings.Contains(a.must("status"), warning) })
}
