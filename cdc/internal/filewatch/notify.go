//go:build linux || windows

package filewatch

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

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
	events := make(chan struct{}, 1)
	if err := all.add(abs, events); err != nil {
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	return &Watcher{Events: events, close: sync.OnceValue(func() error { return all.remove(abs, events) })}, nil
}

// all watches for the whole process: a user may have 128 inotify instances by
// default, and who serves a folder of databases is told once of each write and
// not once for each of them.
var all hub

// hub tells watchers of files what one fsnotify.Watcher, which is there while
// they are, tells of folders.
type hub struct {
	// changing is held while watchers come and go, mu while files is used.
	changing sync.Mutex
	mu       sync.Mutex
	fw       *fsnotify.Watcher
	done     chan struct{}
	// files are who watches, by the path of the database.
	files map[string][]chan<- struct{}
}

func (h *hub) add(path string, events chan<- struct{}) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	if h.fw == nil {
		fw, err := fsnotify.NewWatcher()
		if err != nil {
			return err
		}
		h.fw, h.done = fw, make(chan struct{})
		go h.forward(fw, h.done)
	}
	if err := h.fw.Add(filepath.Dir(path)); err != nil { // once more does nothing
		if len(h.files) == 0 {
			h.end()
		}
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.files == nil {
		h.files = make(map[string][]chan<- struct{})
	}
	h.files[path] = append(h.files[path], events)
	return nil
}

func (h *hub) remove(path string, events chan<- struct{}) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	h.mu.Lock()
	h.files[path] = slices.DeleteFunc(h.files[path], func(c chan<- struct{}) bool { return c == events })
	if len(h.files[path]) == 0 {
		delete(h.files, path)
	}
	folder := filepath.Dir(path)
	last, needed := len(h.files) == 0, false
	for p := range h.files {
		needed = needed || filepath.Dir(p) == folder
	}
	h.mu.Unlock()
	switch {
	case last:
		return h.end()
	case !needed:
		h.fw.Remove(folder) // it may be gone
	}
	return nil
}

// end ends the fsnotify.Watcher.
func (h *hub) end() error {
	err := h.fw.Close()
	<-h.done
	h.fw = nil
	return err
}

// A transaction of an application may be many thousand writes, and who reads of
// each takes a processor from it. inotify makes one event of equal ones in a row
// that nobody has read yet: so where one file is written to all the time, there
// is a rest after each event. Events of several files by turns are read at once,
// or they would pile up.
const (
	crowd = 8
	rest  = time.Millisecond
)

func (h *hub) forward(fw *fsnotify.Watcher, done chan<- struct{}) {
	defer close(done)
	errs := fw.Errors
	var file string
	var at time.Time
	for run := 0; ; {
		select {
		case ev, ok := <-fw.Events:
			if !ok {
				return
			}
			h.tell(ev.Name)
			if ev.Name != file || time.Since(at) > 2*rest {
				run = 0
			}
			file = ev.Name
		case _, ok := <-errs: // an overflow: something was written
			if !ok {
				errs = nil
				continue
			}
			h.tellAll()
		}
		if run++; run > crowd {
			time.Sleep(rest)
		}
		at = time.Now()
	}
}

// tell tells who watches the database that a file belongs to.
func (h *hub) tell(file string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, suffix := range []string{"", "-wal", "-journal"} { // removing the journal commits
		if path, ok := strings.CutSuffix(file, suffix); ok {
			signal(h.files[path])
		}
	}
}

func (h *hub) tellAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, list := range h.files {
		signal(list)
	}
}

func signal(list []chan<- struct{}) {
	for _, c := range list {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
