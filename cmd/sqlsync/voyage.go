package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
)

// hear takes note of what became of a database. It returns an error when
// nothing is left to be served.
func (f *fleet) hear(ctx context.Context, n news) error {
	s := n.ship
	if n.service != nil {
		s.service, s.failures = n.service, 0
		return nil
	}
	s.service = nil
	switch {
	case ctx.Err() != nil:
		return nil
	case s.leaving, s.matched && errors.Is(n.err, cdc.ErrReplaced):
		delete(f.ships, s.path)
		f.a.say("no longer serving %s: the file is gone", s.path)
		f.lookAgain()
		return nil
	case errors.Is(n.err, cdc.ErrRestored):
		f.a.say("%s was put back from a backup while it was served; it is opened again", s.path)
		f.launch(ctx, s)
		return nil
	}
	return f.fail(s, n.err)
}

// fail has a database tried again later, if there are others to be served
// meanwhile.
func (f *fleet) fail(s *ship, err error) error {
	s.err = err
	s.retryAt = time.Now().Add(min(firstAgain<<min(s.failures, 10), lastAgain))
	if errors.Is(err, cdc.ErrUninstalled) {
		s.retryAt = time.Time{} // opening would install it again
	}
	s.failures++
	if len(f.patterns) == 0 && f.nobody() {
		return err
	}
	if s.failures == 1 {
		f.a.complain(err)
		f.log.Error("no longer served", "db", s.path, "again", s.due())
	}
	return nil
}

// nobody reports whether every database has failed.
func (f *fleet) nobody() bool {
	for _, s := range f.ships {
		if s.err == nil {
			return false
		}
	}
	return true
}

// settled reports whether every database is served or has failed.
func (f *fleet) settled() bool {
	for _, s := range f.ships {
		if s.service == nil && s.err == nil {
			return false
		}
	}
	return true
}

// nextTry is when the next of the failed databases is due. stop is called
// afterwards.
func (f *fleet) nextTry() (<-chan time.Time, func()) {
	var next time.Time
	for _, s := range f.ships {
		if s.due() && (next.IsZero() || s.retryAt.Before(next)) {
			next = s.retryAt
		}
	}
	if next.IsZero() {
		return nil, func() {}
	}
	t := time.NewTimer(time.Until(next))
	return t.C, func() { t.Stop() }
}

// due reports whether a database is to be tried again some time.
func (s *ship) due() bool { return s.err != nil && !s.retryAt.IsZero() }

func (f *fleet) retry(ctx context.Context, now time.Time) {
	for _, s := range f.ships {
		if s.due() && !s.retryAt.After(now) {
			f.launch(ctx, s)
		}
	}
}

// sight takes up what matches a pattern and is not served, and lets go of what
// is gone or was replaced by another file.
func (f *fleet) sight(ctx context.Context, list []sighting) {
	if len(list) == 0 && !f.waits {
		f.a.say("no file matches %s: waiting for one", strings.Join(f.patterns, ", "))
	}
	f.waits = len(list) == 0
	there := make(map[string]bool, len(list))
	for _, x := range list {
		there[x.path] = true
		if f.ships[x.path] == nil && x.ready {
			f.launch(ctx, &ship{path: x.path, port: f.portOf(0), matched: true})
		}
	}
	for path, s := range f.ships {
		if !s.matched || s.leaving {
			continue
		}
		if there[path] {
			if now, err := os.Stat(path); err != nil || s.file != nil && os.SameFile(now, s.file) {
				continue
			}
		}
		s.leaving = true
		s.cancel()
		if s.err != nil { // nothing is running
			delete(f.ships, path)
			f.lookAgain()
		}
	}
}

// lookAgain has the patterns looked at: there may be another file by the name
// of one that is gone.
func (f *fleet) lookAgain() {
	select {
	case f.again <- struct{}{}:
	default:
	}
}

// noteTroubles tells the pages what is not served.
func (f *fleet) noteTroubles() {
	var list []string
	for _, s := range f.ships {
		if s.err != nil {
			list = append(list, fmt.Sprintf("%s is not served: %v", s.path, s.err))
		}
	}
	slices.Sort(list)
	if !f.open {
		list = append(list, "databases are being opened")
	}
	f.troubles.Store(&list)
}

// summary is one line for the service manager. It asks every node, so that one
// that does not answer is told by silence.
func (f *fleet) summary() string {
	var served, opening, failed, connected, peers int
	var failure error
	for _, s := range f.ships {
		switch {
		case s.err != nil:
			failed++
			failure = s.err
		case s.service == nil:
			opening++
		default:
			served++
			c, p := s.service.Node.Peers()
			connected, peers = connected+c, peers+p
		}
	}
	text := fmt.Sprintf("%s served, %d of %s connected", plural.Of(served, "database"), connected, plural.Of(peers, "peer"))
	if opening > 0 {
		text += fmt.Sprintf(", %d being opened", opening)
	}
	if failed > 0 {
		text += fmt.Sprintf(", %d failed: %v", failed, failure)
	}
	return strings.ReplaceAll(text, "\n", "; ")
}
