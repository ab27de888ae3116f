//go:build unix

package cdc

import (
	"os"
	"syscall"
)

// inodeOf is a file's number, 0 where it has none.
func inodeOf(fi os.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino)
	}
	return 0
}
