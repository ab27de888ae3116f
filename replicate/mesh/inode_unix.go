//go:build unix

package mesh

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// inodeLockPath names the lock of a file whatever its name, and says whether
// the file has several. Of a file that was removed while it was served another
// one may have the inode by now.
func inodeLockPath(db string) (path string, linked bool) {
	fi, err := os.Stat(db)
	if err != nil {
		return "", false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return "", false
	}
	path = filepath.Join(os.TempDir(), fmt.Sprintf("sqlsync-%d-%d%s.lock", st.Dev, st.Ino, born(db)))
	if !trusted(path, st.Uid) {
		path = ""
	}
	return path, st.Nlink > 1
}

// trusted reports whether what has the name of a lock may be one: anybody can
// make files in the folder for temporary files, and hold locks on them.
func trusted(path string, owner uint32) bool {
	fi, err := os.Lstat(path)
	if err != nil {
		return true // to be made
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && fi.Mode().IsRegular() && (st.Uid == uint32(os.Getuid()) || st.Uid == owner || st.Uid == 0)
}
