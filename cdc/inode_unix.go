//go:build unix

package cdc

import (
	"os"
	"syscall"
)

// giveTo gives a file that root has made to the owner of the database, as SQLite
// does with its own.
func giveTo(f *os.File, db os.FileInfo) error {
	if st, ok := db.Sys().(*syscall.Stat_t); ok && os.Getuid() == 0 {
		return f.Chown(int(st.Uid), int(st.Gid))
	}
	return nil
}

// inodeOf is a file's number, 0 where it has none.
func inodeOf(fi os.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino)
	}
	return 0
}
