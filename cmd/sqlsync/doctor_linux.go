package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// networked are the file systems of statfs(2) whose locks SQLite does not
// trust, https://www.sqlite.org/faq.html#q5.
var networked = map[uint32]string{
	0x6969: "NFS", 0x517b: "SMB", 0xfe534d42: "SMB", 0xff534d42: "CIFS", 0x65735546: "FUSE",
	0x01021997: "9P", 0x5346414f: "AFS", 0x00c36400: "Ceph", 0x73757245: "Coda",
}

type fsState struct {
	known   bool
	network string
	free    int64
}

func statFS(dir string) (s fsState) {
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return s
	}
	return fsState{true, networked[uint32(st.Type)], int64(st.Bavail) * int64(st.Bsize)}
}

const writable = 2 // W_OK

func mayWrite(path string) bool { return syscall.Access(path, writable) == nil }

func notifyLimits() string {
	limit := func(name string) string {
		b, err := os.ReadFile("/proc/sys/fs/inotify/" + name)
		if err != nil {
			return "?"
		}
		return strings.TrimSpace(string(b))
	}
	return fmt.Sprintf(" (inotify: %s instances, %s watches)", limit("max_user_instances"), limit("max_user_watches"))
}

// lockHolder finds in /proc/locks who holds a flock(2), 0 where it does not say.
func lockHolder(path string) (pid int) {
	var st syscall.Stat_t
	if syscall.Stat(path, &st) != nil {
		return 0
	}
	f, err := os.Open("/proc/locks")
	if err != nil {
		return 0
	}
	defer f.Close()
	inode := fmt.Sprintf(":%d ", st.Ino)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := lines.Text(); strings.Contains(line, "FLOCK") && strings.Contains(line, inode) {
			if _, err := fmt.Sscanf(line, "%s FLOCK %s %s %d", new(string), new(string), new(string), &pid); err == nil {
				return pid
			}
		}
	}
	return 0
}
