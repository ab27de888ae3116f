//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// inodeLockPath names the lock of a file whatever its name, and says whether
// the file has several.
func inodeLockPath(db string) (path string, linked bool) {
	fi, err := os.Stat(db)
	if err != nil {
		return "", false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return "", false
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("sqlsync-%d-%d.lock", st.Dev, st.Ino)), st.Nlink > 1
}
