package main

import (
	"context"
	"io"
	"os"
	"strings"

	manager "github.com/kardianos/service"
)

// hosted runs a command line under Windows' service manager, if that has
// started this program; was says so. What goes to stderr goes to its log.
func hosted(run func(ctx context.Context, stderr io.Writer) int) (code int, was bool) {
	if manager.Interactive() {
		return 0, false
	}
	h := &scm{run: run}
	s, err := manager.New(h, &manager.Config{Name: "sqlsync"})
	if err != nil {
		return exitFailed, true
	}
	if h.log, err = s.SystemLogger(nil); err != nil {
		return exitFailed, true
	}
	if err := s.Run(); err != nil {
		return exitFailed, true
	}
	return exitDone, true
}

type scm struct {
	run    func(context.Context, io.Writer) int
	log    manager.Logger
	cancel context.CancelFunc
	done   chan struct{}
}

func (h *scm) Start(manager.Service) error {
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.done = cancel, make(chan struct{})
	go func() {
		defer close(h.done)
		if code := h.run(ctx, h); code != exitDone {
			os.Exit(code) // so that the service manager starts it again
		}
	}()
	return nil
}

func (h *scm) Stop(manager.Service) error {
	h.cancel()
	<-h.done
	return nil
}

// Write is for stderr, a line or a few at a time.
func (h *scm) Write(b []byte) (int, error) {
	return len(b), h.log.Info(strings.TrimSpace(string(b)))
}
