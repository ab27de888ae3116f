//go:build unix

package main

import (
	"context"
	"os/exec"
	"syscall"
)

// shellCommand is a command of the shell. When ctx ends, so does whatever the
// command has started.
func shellCommand(ctx context.Context, text string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", text)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}
