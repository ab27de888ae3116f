package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"sqlsync/replicate/mesh"
	"sync/atomic"
	"time"
)

// fleet are the databases that one serve serves. Its fields belong to the
// goroutine of run.
type fleet struct {
	a   *app
	cmd *serveCmd
	log *slog.Logger

	files    []string // named one by one
	patterns []string
	ports    []*mesh.Port // none, one for all databases, or one for each of files
	open     bool         // peers are let in
	waits    bool         // it was told that nothing matches the patterns
	pages    *paging
	near     *mesh.Discovery // nil without --discover

	ships  map[string]*ship
	tasks  group // of the ships
	news   chan news
	again  chan struct{} // has the patterns looked at again
	notify *notifier
	// troubles are what failed, for other goroutines.
	troubles atomic.Pointer[[]string]
}

// ship is a database of a fleet: being opened, served, or to be tried again.
type ship struct {
	path    string
	port    *mesh.Port
	matched bool        // by a pattern
	file    fs.FileInfo // as it was when it was opened
	cancel  context.CancelFunc
	service *service // once it is served
	// leaving says that the file is gone or another.
	leaving  bool
	err      error // why it is not served
	failures int
	retryAt  time.Time
}

// news is what a ship's goroutine tells: it is served, or it has ended.
type news struct {
	ship    *ship
	service *service
	err     error
}

const (
	// stopWithin is how long everything may take to end.
	stopWithin = 10 * time.Second
	// readyWithin is how long a serve is not called ready because a database is
	// locked by its application.
	readyWithin = 10 * time.Second
	// Pauses before a database that failed is opened again, among others.
	firstAgain, lastAgain = time.Second, time.Minute
)

func newFleet(a *app, c *serveCmd) *fleet {
	return &fleet{a: a, cmd: c, log: a.logger(), ships: make(map[string]*ship), news: make(chan news), again: make(chan struct{}, 1)}
}

// name tells files and patterns apart.
func (f *fleet) name(dbs []string) error {
	for _, db := range dbs {
		switch {
		case !isPattern(db):
			i := slices.IndexFunc(f.files, func(had string) bool { return sameFile(had, db) })
			switch {
			case i < 0:
				f.files = append(f.files, db)
			case f.files[i] != db:
				return usage(fmt.Sprintf("--db %s and --db %s are one file", f.files[i], db), "leave one of them out")
			}
		default:
			if err := checkPattern(db); err != nil {
				return err
			}
			f.patterns = append(f.patterns, db)
		}
	}
	return nil
}

// sameFile reports whether two names are of one file, as far as it is there.
func sameFile(a, b string) bool {
	fa, erra := os.Stat(a)
	fb, errb := os.Stat(b)
	return a == b || erra == nil && errb == nil && os.SameFile(fa, fb)
}

func (f *fleet) openPorts(addrs []string) error {
	for _, addr := range addrs {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			f.closePorts()
			return hint(fmt.Errorf("listen on %s: %w", addr, mesh.WithoutAddr(err)), "%s", listenRemedy("--listen", err))
		}
		f.ports = append(f.ports, mesh.NewPort(l, f.log))
	}
	return nil
}

// openPages takes the address of the pages, if there are to be any.
func (f *fleet) openPages(p *pages) (err error) {
	f.pages, err = p.open(f.a, func() []string {
		if list := f.troubles.Load(); list != nil {
			return *list
		}
		return nil
	})
	if err != nil {
		f.closePorts()
	}
	return err
}

// openDiscovery takes part in the local network's announcements.
func (f *fleet) openDiscovery(ctx context.Context, wanted bool) error {
	if !wanted {
		return nil
	}
	d, err := mesh.OpenDiscovery(ctx, f.log)
	if err != nil {
		f.closePorts()
		return hint(fmt.Errorf("--discover: %w", err), "give remotes an address: sqlsync remote set NAME --addr HOST:PORT")
	}
	f.near = d
	return nil
}

// openTo lets peers in.
func (f *fleet) openTo(ctx context.Context) {
	f.open = true
	f.tasks.Go(func() { f.near.Run(ctx) })
	for _, p := range f.ports {
		f.tasks.Go(func() { p.Run(ctx) })
	}
}

// addrs are where peers are let in.
func (f *fleet) addrs() (list []string) {
	for _, p := range f.ports {
		list = append(list, p.Addr().String())
	}
	return list
}

func (f *fleet) closePorts() {
	for _, p := range f.ports {
		p.Close()
	}
}

// portOf is where the i-th file is reached; files that patterns match have the
// one port.
func (f *fleet) portOf(i int) *mesh.Port {
	switch len(f.ports) {
	case 0:
		return nil
	case 1:
		return f.ports[0]
	}
	return f.ports[i]
}

// run serves until ctx ends, or until there is nothing to serve and nothing to
// wait for.
func (f *fleet) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer f.closePorts()
	f.noteTroubles()
	f.tasks.Go(func() { giveBackMemory(ctx) })
	broken := make(chan error, 1)
	f.tasks.Go(func() {
		if err := f.pages.run(ctx); err != nil && ctx.Err() == nil {
			broken <- err
		}
	})
	for i, path := range f.files {
		f.launch(ctx, &ship{path: path, port: f.portOf(i)})
	}
	var found chan []sighting
	if len(f.patterns) > 0 {
		found = make(chan []sighting)
		f.tasks.Go(func() { newScout(f.patterns, f.log).run(ctx, found, f.again) })
	}
	f.notify = newNotifier(f.log)
	defer f.notify.close()
	unready := time.NewTimer(readyWithin)
	defer unready.Stop()
	scouted := found == nil
	for late := false; ; {
		if !f.open && scouted && (late || f.settled()) {
			// A peer that came earlier would be told that nobody knows it.
			f.openTo(ctx)
			f.noteTroubles()
			f.notify.ready(f.summary())
		}
		retry, stop := f.nextTry()
		select {
		case <-ctx.Done():
			stop()
			return f.end()
		case err := <-broken:
			stop()
			cancel()
			return errors.Join(err, f.end())
		case n := <-f.news:
			if err := f.hear(ctx, n); err != nil {
				stop()
				cancel()
				return errors.Join(err, f.end())
			}
			f.noteTroubles()
		case list := <-found:
			scouted = true
			f.sight(ctx, list)
		case <-retry:
			f.retry(ctx, time.Now())
		case <-unready.C:
			late = true
		case <-f.notify.tick():
			f.notify.alive(f.summary())
		}
		stop()
	}
}

// launch opens and serves a database in a goroutine of its own, since opening
// waits for the application's lock.
func (f *fleet) launch(ctx context.Context, s *ship) {
	f.ships[s.path] = s
	s.service, s.err, s.leaving = nil, nil, false
	s.file, _ = os.Stat(s.path)
	ctx, s.cancel = context.WithCancel(ctx)
	f.tasks.Go(func() {
		service, err := f.cmd.begin(ctx, f.a, s.port, s.path)
		if err == nil {
			remove, hide := f.pages.add(service.Member), f.near.Add(service.Member, s.port)
			f.news <- news{ship: s, service: service}
			if err = service.run(ctx); err != nil && ctx.Err() == nil {
				err = explainEnded(s.path, err)
			}
			hide()
			remove()
			service.close()
		}
		f.news <- news{ship: s, err: err}
	})
}

// end waits until everything has ended, but not for good.
func (f *fleet) end() error {
	f.notify.stopping()
	done := make(chan struct{})
	go func() { f.tasks.Wait(); close(done) }()
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-f.news:
		case <-timer.C:
			return fmt.Errorf("not everything ended within %v", stopWithin)
		}
	}
}
