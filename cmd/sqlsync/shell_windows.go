package main

import (
	"context"
	"os/exec"
	"syscall"
)

// shellCommand is a command of the shell, which takes it as it is written.
func shellCommand(ctx context.Context, text string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "cmd.exe")
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd.exe /S /C "` + text + `"`}
	return cmd
}
