package web

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// live is what pages are kept up to date with. One loop, sample, reads it for
// all of them; a page that reads slowly gets the latest state, not every one.
type live struct {
	mu       sync.Mutex
	state    json.RawMessage
	watchers map[chan struct{}]struct{}

	poke chan struct{} // something has happened
}

// liveEvery bounds how often a page is told of what happens.
const liveEvery = 250 * time.Millisecond

func (l *live) wake() {
	select {
	case l.poke <- struct{}{}:
	default:
	}
}

func (l *live) watch() (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watchers == nil {
		l.watchers = make(map[chan struct{}]struct{})
	}
	l.watchers[ch] = struct{}{}
	return ch, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, ch)
	}
}

func (l *live) watched() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.watchers) > 0
}

func (l *live) publish(state json.RawMessage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = state
	for ch := range l.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

func (l *live) latest() json.RawMessage {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// sample measures all databases every now and then, and at once when something
// happens and somebody looks, until ctx ends.
func (s *Server) sample(ctx context.Context) {
	defer s.hearAll(ctx)()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.live.poke:
			if !s.live.watched() {
				continue
			}
		}
		s.take(ctx)
		rest := time.NewTimer(liveEvery)
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
		rest.Stop()
		timer.Reset(sampleEvery - liveEvery)
	}
}

// hear wakes the sampling when a database has changed.
func (s *Server) hear(ctx context.Context, d *Database) {
	grown, stop := d.Store.Stream("").Subscribe()
	defer stop()
	changed, stop2 := d.Store.Reconfigured()
	defer stop2()
	for {
		select {
		case <-ctx.Done():
			return
		case <-grown:
		case <-changed:
			d.configs.Add(1)
		}
		s.live.wake()
	}
}

// take measures once.
func (s *Server) take(ctx context.Context) {
	watched := s.live.watched()
	now := time.Now()
	st := state{Time: now.UnixMilli(), Login: s.options.Token != "", Health: health{Reasons: []string{}, Warnings: []string{}}, Databases: []databaseState{}}
	for _, d := range s.all() {
		snap := d.snapshot(ctx, liveEvery/2)
		ds := s.stateOf(d, snap)
		st.Databases = append(st.Databases, ds)
		st.Health.add(s.options.Limit, d.Path, snap)
		d.mu.Lock()
		d.past.add(now, ds)
		d.mu.Unlock()
		if watched {
			s.readTail(ctx, d)
		}
	}
	st.Health.Reasons = append(st.Health.Reasons, s.trouble()...)
	st.Health.OK = len(st.Health.Reasons) == 0
	b, err := json.Marshal(st)
	if err != nil {
		s.options.Log.Error("marshal state", "err", err)
		return
	}
	s.live.publish(b)
}

func (s *Server) readTail(ctx context.Context, d *Database) {
	d.tailMu.Lock()
	defer d.tailMu.Unlock()
	if err := d.tail.read(ctx, d); err != nil && ctx.Err() == nil {
		s.options.Log.Warn("read the end of the log", "db", d.Path, "err", err)
	}
}

// serveLive streams three kinds of events: history once, then states as they
// are taken, each with the lines of the log since the one before.
func (s *Server) serveLive(w http.ResponseWriter, r *http.Request) {
	out, done := s.stream(w)
	if out == nil {
		return
	}
	defer done()
	news, stop := s.live.watch()
	defer stop()
	s.live.wake()
	past := make(map[string][]sample)
	for _, d := range s.all() {
		d.mu.Lock()
		past[d.Path] = append([]sample{}, d.past.list...)
		d.mu.Unlock()
	}
	b, err := json.Marshal(past)
	if err != nil || out.send("", "history", b) != nil || out.flush() != nil {
		return
	}
	seen := make(map[string]int64)
	if s.live.latest() != nil && (s.sendState(out, seen) != nil || out.flush() != nil) {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case <-news:
		}
		if s.sendState(out, seen) != nil || out.flush() != nil {
			return
		}
	}
}

func (s *Server) sendState(out *eventStream, seen map[string]int64) error {
	if err := out.send("", "state", s.live.latest()); err != nil {
		return err
	}
	logs := make(map[string][]json.RawMessage)
	for _, d := range s.all() {
		d.tailMu.Lock()
		lines, last := d.tail.after(seen[d.Path])
		d.tailMu.Unlock()
		if len(lines) > 0 {
			logs[d.Path] = lines
		}
		seen[d.Path] = last
	}
	if len(logs) == 0 {
		return nil
	}
	b, err := json.Marshal(logs)
	if err != nil {
		return err
	}
	return out.send("", "log", b)
}
