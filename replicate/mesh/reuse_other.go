//go:build !linux && !windows

package mesh

import "syscall"

// reuse lets several programs listen for announcements.
func reuse(fd uintptr) error {
	return syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEPORT, 1)
}
