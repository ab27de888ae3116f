//go:build linux || windows

package filewatch

import (
	"fmt"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// New watches the database at path. inotify and ReadDirectoryChangesW watch
// the folder, so they see the WAL come and go and open nothing in it.
func New(path string) (*Watcher, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// The application may use another name for the file than we were given.
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	fw, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	if err := fw.Add(filepath.Dir(abs)); err != nil {
		fw.Close()
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	events := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		forward(fw, filepath.Base(abs), events)
	}()
	return &Watcher{Events: events, close: func() error {
		err := fw.Close()
		<-done
		return err
	}}, nil
}

func forward(fw *fsnotify.Watcher, base string, events chan<- struct{}) {
	errs := fw.Errors
	for {
		select {
		case ev, ok := <-fw.Events:
			if !ok {
				return
			}
			switch filepath.Base(ev.Name) {
			case base, base + "-wal", base + "-journal": // removing the journal commits
			default:
				continue
			}
		case _, ok := <-errs: // an overflow: something was written
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
