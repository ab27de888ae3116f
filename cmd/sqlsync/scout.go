package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sqlsync/cdc"
)

// isPattern reports whether --db means whatever files match, and not one file.
func isPattern(db string) bool {
	if !strings.ContainsAny(db, "*?[") {
		return false
	}
	_, err := os.Stat(db)
	return err != nil
}

// checkPattern makes sure that a pattern can match something some day.
func checkPattern(pattern string) error {
	if _, err := filepath.Match(pattern, ""); err != nil {
		return usage(fmt.Sprintf("--db %q: %v", pattern, err), "for example --db 'tenants/*.db'")
	}
	dir := pattern
	for strings.ContainsAny(dir, "*?[") {
		dir = filepath.Dir(dir)
	}
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		return hint(fmt.Errorf("no folder %s", dir), "make it first, or check --db")
	}
	return nil
}

// sighting is a file that matches a pattern. It is ready when it is a database
// with tables: what is still being made is left to its application, whose
// choices of page size and encoding end with the first table.
type sighting struct {
	path  string
	ready bool
}

// scout looks for files that match patterns.
type scout struct {
	patterns []string
	log      *slog.Logger
	// seen is what was found when a file was opened last, so that each is opened
	// again only when it has changed.
	seen map[string]look
}

type look struct {
	mark  [2]fileMark // of the file and of its write-ahead log
	ready bool
	// growing says that it is a database without tables so far.
	growing bool
}

type fileMark struct {
	size int64
	time time.Time
}

const (
	// scoutEvery makes up for a notification that was lost.
	scoutEvery = 10 * time.Second
	// growEvery is how often a database without tables is looked at.
	growEvery = 200 * time.Millisecond
)

func newScout(patterns []string, log *slog.Logger) *scout {
	return &scout{patterns: patterns, log: log, seen: make(map[string]look)}
}

// run tells what matches whenever that may have changed, until ctx ends.
func (s *scout) run(ctx context.Context, found chan<- []sighting, again <-chan struct{}) {
	folders := watchFolders(s.log)
	defer folders.Close()
	for {
		for _, pattern := range s.patterns {
			folders.Watch(parents(pattern))
		}
		list, growing := s.look(ctx)
		select {
		case found <- list:
		case <-ctx.Done():
			return
		}
		pause := scoutEvery
		if growing {
			pause = growEvery
		}
		timer := time.NewTimer(pause)
		select {
		case <-folders.Events:
		case <-again:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// look lists the files that match, and reports whether one has no tables yet.
func (s *scout) look(ctx context.Context) (list []sighting, growing bool) {
	there := make(map[string]bool)
	for _, pattern := range s.patterns {
		paths, _ := filepath.Glob(pattern) // its pattern was checked
		for _, path := range paths {
			if there[path] || companion(path) {
				continue
			}
			if fi, err := os.Stat(path); err != nil || !fi.Mode().IsRegular() {
				continue
			}
			there[path] = true
			l := s.lookAt(ctx, path)
			growing = growing || l.growing
			list = append(list, sighting{path, l.ready})
		}
	}
	for path := range s.seen {
		if !there[path] {
			delete(s.seen, path)
		}
	}
	slices.SortFunc(list, func(a, b sighting) int { return strings.Compare(a.path, b.path) })
	return list, growing
}

func (s *scout) lookAt(ctx context.Context, path string) look {
	l := look{mark: [2]fileMark{markOf(path), markOf(path + "-wal")}}
	if was, ok := s.seen[path]; ok && (was.ready || was.mark == l.mark) {
		return was
	}
	n, err := cdc.CountTables(ctx, path)
	switch {
	case err == nil:
		l.ready, l.growing = n > 0, n == 0
	case errors.Is(err, cdc.ErrLocked):
		l.growing = true
		l.mark = [2]fileMark{} // looked at again in any case
	default:
		s.log.Warn("passed over", "db", path, "err", err)
	}
	s.seen[path] = l
	return l
}

func markOf(path string) fileMark {
	fi, err := os.Stat(path)
	if err != nil {
		return fileMark{}
	}
	return fileMark{fi.Size(), fi.ModTime()}
}

// companion reports whether a file is SQLite's or ours beside a database.
func companion(path string) bool {
	for _, end := range []string{"-wal", "-shm", "-journal", "-sqlsync.key", "-sqlsync.lock", "-sqlsync.witness"} {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}

// parents lists the folders in which files or folders that a pattern matches
// come and go.
func parents(pattern string) []string {
	var dirs []string
	for dir := filepath.Dir(pattern); ; dir = filepath.Dir(dir) {
		if !strings.ContainsAny(dir, "*?[") {
			return append(dirs, dir)
		}
		matches, _ := filepath.Glob(dir)
		dirs = append(dirs, matches...)
	}
}
