//go:build linux || windows

package main

import (
	"log/slog"

	"github.com/fsnotify/fsnotify"
)

// folders signals that files may have come or gone.
type folders struct {
	Events <-chan struct{}
	w      *fsnotify.Watcher
	done   chan struct{}
	log    *slog.Logger
}

// watchFolders never signals where there is no notification: whoever waits
// looks now and then anyway.
func watchFolders(log *slog.Logger) *folders {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("no notification of new files, looking now and then instead", "err", err)
		return &folders{}
	}
	events := make(chan struct{}, 1)
	f := &folders{Events: events, w: w, done: make(chan struct{}), log: log}
	go func() {
		defer close(f.done)
		f.forward(events)
	}()
	return f
}

func (f *folders) forward(events chan<- struct{}) {
	errs := f.w.Errors
	for {
		select {
		case ev, ok := <-f.w.Events:
			if !ok {
				return
			}
			// Databases are written to all the time, and their journals come and go.
			if ev.Op&^(fsnotify.Write|fsnotify.Chmod) == 0 || companion(ev.Name) {
				continue
			}
		case _, ok := <-errs: // an overflow: something has changed
			if !ok {
				errs = nil
				continue
			}
		}
		select {
		case events <- struct{}{}:
		default:
		}
	}
}

// Watch adds folders. One that is watched already is no harm.
func (f *folders) Watch(dirs []string) {
	if f.w == nil {
		return
	}
	for _, dir := range dirs {
		if err := f.w.Add(dir); err != nil {
			f.log.Debug("watch folder", "folder", dir, "err", err)
		}
	}
}

func (f *folders) Close() {
	if f.w == nil {
		return
	}
	f.w.Close()
	<-f.done
}
