package mesh

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// born tells a file from one that had its inode before, empty where the file
// system does not know.
func born(path string) string {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BTIME, &st); err != nil || st.Mask&unix.STATX_BTIME == 0 {
		return ""
	}
	return fmt.Sprintf("-%x.%x", st.Btime.Sec, st.Btime.Nsec)
}
