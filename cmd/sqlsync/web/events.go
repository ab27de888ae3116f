package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"sqlsync/cdc"
	"sqlsync/schema"
)

// feed is one reader of the change feed.
type feed struct {
	d      *Database
	out    *eventStream
	at     []cdc.Cursor // a place in each dataset
	only   []string     // the datasets that are wanted, nil for all
	tables []string
	origin string
	sent   time.Time
}

// events streams sealed changes. The id of an event has the places in all
// datasets, so that Last-Event-ID goes on where the reader was in each.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	d, err := s.database(r)
	if err != nil {
		complain(w, err)
		return
	}
	q := r.URL.Query()
	f := &feed{d: d, tables: q["table"], origin: q.Get("origin"), only: q["dataset"]}
	grown, stop := d.Store.Stream(cdc.DefaultDataset).Subscribe()
	defer stop()
	if err := f.begin(r.Context(), q, r.Header.Get("Last-Event-ID")); err != nil {
		complain(w, err)
		return
	}
	out, done := s.stream(w)
	if out == nil {
		return
	}
	defer done()
	f.out = out
	if err := out.comment("sqlsync"); err != nil {
		return
	}
	if err := f.run(r.Context(), grown); err != nil && r.Context().Err() == nil {
		s.options.Log.Debug("event stream ended", "err", err)
	}
}

// begin finds where to begin: behind what the reader had, at the start, or now.
func (f *feed) begin(ctx context.Context, q url.Values, last string) error {
	all := f.d.Store.Datasets()
	for _, name := range f.only {
		if !slices.Contains(all, name) {
			return &requestError{http.StatusNotFound, fmt.Sprintf("no dataset %q", name), "GET /api/status lists them"}
		}
	}
	switch {
	case last != "":
		at, err := parsePlaces(last)
		if err != nil {
			return err
		}
		f.at = at
		return nil // a dataset without a place was made since
	case q.Has("cursor"):
		for _, text := range q["cursor"] {
			c, err := cdc.ParseCursor(text)
			if err != nil {
				return badRequest(err)
			}
			f.at, f.only = append(f.at, c), append(f.only, c.Dataset)
		}
		return nil
	case q.Get("from") == "start":
		return nil
	case q.Get("from") != "" && q.Get("from") != "now":
		return &requestError{http.StatusBadRequest, "from: must be start or now", "leave it out for now"}
	}
	for _, name := range all {
		c, err := end(ctx, f.d.Store, name)
		if err != nil {
			return err
		}
		f.at = append(f.at, c)
	}
	return nil
}

func badRequest(err error) error { return &requestError{http.StatusBadRequest, err.Error(), ""} }

// end is the place behind everything that is held.
func end(ctx context.Context, s *cdc.Store, dataset string) (cdc.Cursor, error) {
	c, err := s.Tail(ctx, dataset, 1)
	if err != nil {
		return c, err
	}
	err = s.Log(ctx, c, func(e *cdc.Entry) error {
		c = e.Cursor
		return nil
	})
	return c, err
}

// run sends what is there, and what comes, until ctx ends.
func (f *feed) run(ctx context.Context, grown <-chan struct{}) error {
	alive := time.NewTicker(keepalive)
	defer alive.Stop()
	for {
		if err := f.catchUp(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-grown:
		case <-alive.C:
			if err := f.out.comment("here"); err != nil {
				return err
			}
		}
	}
}

func (f *feed) catchUp(ctx context.Context) error {
	for _, name := range f.d.Store.Datasets() {
		if f.only != nil && !slices.Contains(f.only, name) {
			continue
		}
		i := slices.IndexFunc(f.at, func(c cdc.Cursor) bool { return c.Dataset == name })
		if i < 0 {
			i, f.at = len(f.at), append(f.at, cdc.Cursor{Dataset: name})
		}
		err := f.d.Store.Log(ctx, f.at[i], func(e *cdc.Entry) error {
			f.at[i] = e.Cursor
			if !f.wants(e) {
				return f.pulse(ctx)
			}
			b, err := oneLine(f.d.Show.Change(e))
			if err != nil {
				return err
			}
			f.sent = time.Now()
			return f.out.send(places(f.at), "", b)
		})
		if err == nil {
			err = f.out.flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pulse says now and then that a long search for what is wanted goes on, and
// notices that the reader has gone.
func (f *feed) pulse(ctx context.Context) error {
	if err := ctx.Err(); err != nil || time.Since(f.sent) < keepalive {
		return err
	}
	f.sent = time.Now()
	return f.out.comment("here")
}

func (f *feed) wants(e *cdc.Entry) bool {
	if f.origin != "" && !strings.HasPrefix(f.d.Show.Key(e.Origin), f.origin) {
		return false
	}
	return len(f.tables) == 0 || slices.ContainsFunc(f.tables, func(t string) bool { return schema.Same(t, e.Table) })
}

// oneLine marshals as log --json prints.
func oneLine(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return bytes.TrimSpace(b), err
}

// places joins cursors to an id. A dataset's name may have any of the
// characters that join them.
func places(at []cdc.Cursor) string {
	parts := make([]string, len(at))
	for i, c := range at {
		parts[i] = url.PathEscape(c.String())
	}
	return strings.Join(parts, ",")
}

func parsePlaces(id string) ([]cdc.Cursor, error) {
	var at []cdc.Cursor
	for part := range strings.SplitSeq(id, ",") {
		text, err := url.PathUnescape(part)
		if err != nil {
			return nil, badRequest(err)
		}
		c, err := cdc.ParseCursor(text)
		if err != nil {
			return nil, badRequest(err)
		}
		at = append(at, c)
	}
	return at, nil
}
