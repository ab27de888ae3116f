//go:build !linux && !windows

package main

import (
	"log/slog"
	"time"
)

// folders signals now and then: kqueue, which is what there is, opens every
// file of a folder, and closing it again would drop SQLite's locks.
type folders struct {
	Events <-chan time.Time
	tick   *time.Ticker
}

func watchFolders(*slog.Logger) *folders {
	t := time.NewTicker(time.Second)
	return &folders{t.C, t}
}

func (f *folders) Watch([]string) {}
func (f *folders) Close()         { f.tick.Stop() }
