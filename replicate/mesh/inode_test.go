//go:build unix

package mesh

import (
	"fmt"
	"os"
	"testing"
)

// A file that was removed while it was served is not the one that has its inode
// after it.
func TestInodeOfAFileThatIsGone(t *testing.T) {
	path := newFile(t)
	if born(path) == "" {
		t.Skip("the file system does not know when a file was made")
	}
	m, err := Open(t.Context(), path, Options{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	was, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Store.Close(); err != nil { // open files keep their inodes
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		next := fmt.Sprint(path, i)
		if err := os.WriteFile(next, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		is, err := os.Stat(next)
		if err != nil {
			t.Fatal(err)
		}
		if !os.SameFile(was, is) {
			continue
		}
		if Served(next) {
			t.Error("it counts as served")
		}
		return
	}
	t.Skip("inodes are not given again")
}
