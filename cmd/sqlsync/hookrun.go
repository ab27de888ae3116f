package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"sqlsync/cdc"
	"sqlsync/replicate"
	"sqlsync/schema"
)

const (
	// Pauses after a call that failed.
	firstHookRetry = time.Second
	lastHookRetry  = 5 * time.Minute
	// hookGrace is how long a call under way may go on when serve is stopped.
	hookGrace = 3 * time.Second
)

// hooks carries the hooks out, as they are added and removed, until ctx ends.
func (s *service) hooks(ctx context.Context) error {
	changed, stop := s.Store.Reconfigured()
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	var all group
	defer all.Wait()
	defer cancel()
	type running struct {
		hook   cdc.Hook
		cancel context.CancelFunc
		done   chan struct{}
	}
	run := make(map[string]running)
	for {
		list, err := s.Store.Hooks(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("read hooks", "err", err)
		}
		wanted := make(map[string]cdc.Hook)
		for _, h := range list {
			if h.Trusted {
				wanted[h.Name] = h
			}
		}
		for name, r := range run {
			if h, ok := wanted[name]; err == nil && (!ok || !h.Same(&r.hook)) {
				r.cancel()
				<-r.done
				delete(run, name)
			}
		}
		for name, h := range wanted {
			if _, ok := run[name]; ok {
				continue
			}
			ctx, cancel := context.WithCancel(ctx)
			r := running{h, cancel, make(chan struct{})}
			run[name] = r
			all.Go(func() {
				defer close(r.done)
				(&carrier{store: s.Store, hook: h, log: s.log.With("hook", h.Name), failing: h.Error}).run(ctx)
			})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// carrier carries one hook out: a call for each batch, in order, again and
// again until it goes well.
type carrier struct {
	store    *cdc.Store
	hook     cdc.Hook
	log      *slog.Logger
	failing  string // as it is noted in the database
	failures int
}

func (c *carrier) run(ctx context.Context) {
	grown, stop := c.store.Stream("").Subscribe()
	defer stop()
	for ctx.Err() == nil {
		err := c.deliver(ctx)
		if ctx.Err() != nil {
			return
		}
		c.note(ctx, err)
		if err != nil {
			pause := min(firstHookRetry<<min(c.failures, 10), lastHookRetry)
			c.failures++
			replicate.Wait(ctx, pause/2+rand.N(pause/2))
			continue
		}
		c.failures = 0
		select {
		case <-ctx.Done():
		case <-grown:
		}
	}
}

// note keeps what a round ended with, where it is news.
func (c *carrier) note(ctx context.Context, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == c.failing {
		return
	}
	if err != nil {
		c.log.Warn("hook failed", "err", err)
	}
	if err := c.store.NoteHook(ctx, &c.hook, err); err != nil {
		c.log.Error("note how a hook fares", "err", err)
		return
	}
	c.failing = text
}

// deliver gives the hook everything that it has not taken.
func (c *carrier) deliver(ctx context.Context) error {
	var errs []error
	for _, d := range c.store.Datasets() {
		if c.hook.Dataset == "" || c.hook.Dataset == d {
			errs = append(errs, c.deliverDataset(ctx, d))
		}
	}
	return errors.Join(errs...)
}

func (c *carrier) deliverDataset(ctx context.Context, dataset string) error {
	var passed int64 // over batches that it does not want, which is not worth a write each
	err := c.store.UntakenBy(ctx, &c.hook, dataset, func(pos int64, changes []cdc.Entry) error {
		body, err := c.body(changes)
		if err != nil {
			return err
		}
		if len(body) == 0 {
			passed = pos
			return ctx.Err()
		}
		if err := c.call(ctx, cdc.Cursor{Dataset: dataset, Pos: pos}, body); err != nil {
			return err
		}
		passed = 0
		return c.store.TookHook(context.WithoutCancel(ctx), &c.hook, dataset, pos)
	})
	if passed > 0 && ctx.Err() == nil {
		err = errors.Join(err, c.store.TookHook(ctx, &c.hook, dataset, passed))
	}
	return err
}

// body is a line of JSON for every change that the hook wants.
func (c *carrier) body(changes []cdc.Entry) ([]byte, error) {
	var b bytes.Buffer
	for i := range changes {
		if c.hook.Table != "" && !schema.Same(c.hook.Table, changes[i].Table) {
			continue
		}
		line, err := json.Marshal(logLineOf(&changes[i], c.store.Mine))
		if err != nil {
			return nil, err
		}
		b.Write(append(line, '\n'))
	}
	return b.Bytes(), nil
}

// call makes one call. When serve is stopped it may end, but not take long.
func (c *carrier) call(ctx context.Context, batch cdc.Cursor, body []byte) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.hook.Timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		replicate.Wait(within, hookGrace)
		cancel()
	})
	defer stop()
	if c.hook.Command != "" {
		return c.exec(within, batch, body)
	}
	return c.post(within, batch, body)
}
