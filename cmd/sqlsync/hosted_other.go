//go:build !windows

package main

import (
	"context"
	"io"
)

// hosted has nothing to do: service managers elsewhere only run programs.
func hosted(func(context.Context, io.Writer) int) (int, bool) { return 0, false }
