package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"sqlsync/cmd/sqlsync/web"
	"sqlsync/replicate"
)

type healthAnswer struct {
	OK      bool
	Reasons []string
}

func TestHealth(t *testing.T) {
	for _, c := range []struct {
		what  string
		limit web.Limit
		write string
		seal  bool
		peer  bool
		want  []string // parts of the reasons
	}{
		{what: "nothing to say"},
		{what: "a lag without limits", write: `INSERT INTO orders VALUES (1, 'a'), (2, 'b')`, seal: true, peer: true},
		{what: "a lag at the limit", limit: web.Limit{Rows: 2}, write: `INSERT INTO orders VALUES (1, 'a'), (2, 'b')`, seal: true, peer: true},
		{
			what: "a lag over the limit", limit: web.Limit{Rows: 1}, write: `INSERT INTO orders VALUES (1, 'a'), (2, 'b')`, seal: true, peer: true,
			want: []string{"till lacks 2 changes of primary, more than 1"},
		},
		{
			what: "a lag over both", limit: web.Limit{Rows: 1, Seconds: 1e-9}, write: `INSERT INTO orders VALUES (1, 'a'), (2, 'b')`, seal: true, peer: true,
			want: []string{"till lacks 2", "till is 0 s behind in primary, more than 1e-09"},
		},
		{what: "no peer", limit: web.Limit{Rows: 1}, write: `INSERT INTO orders VALUES (1, 'a'), (2, 'b')`, seal: true},
		{
			what: "not sealed", limit: web.Limit{Rows: 1, Seconds: 1e-9}, write: `INSERT INTO orders VALUES (1, 'a'), (2, 'b')`,
			want: []string{"2 rows of primary are not sealed, more than 1", "rows of primary have not been sealed for 0 s"},
		},
	} {
		s := newSite(t, func(o *web.Options) { o.Limit = c.limit })
		if c.peer {
			s.peer("till", replicate.Status{State: replicate.Retrying})
		}
		if c.write != "" {
			s.exec(c.write)
		}
		if c.seal {
			s.seal("primary")
		}
		w := s.request(http.MethodGet, "/health", nil)
		h := decode[healthAnswer](t, w.Body.String())
		if h.OK != (w.Code == 200) || h.OK != (len(c.want) == 0) || !h.OK && w.Code != http.StatusServiceUnavailable || len(h.Reasons) != len(c.want) {
			t.Errorf("%s: %d %+v", c.what, w.Code, h)
			continue
		}
		for i, part := range c.want {
			if !strings.Contains(h.Reasons[i], part) || !strings.HasPrefix(h.Reasons[i], s.store.Path()) {
				t.Errorf("%s: reason is %q, want %q", c.what, h.Reasons[i], part)
			}
		}
	}
}

// What a peer leaves out is told, and fails nothing.
func TestHealthWarns(t *testing.T) {
	s := newSite(t, func(o *web.Options) {
		o.Databases[0].Show.Unreplicated = func(context.Context) ([]web.Unreplicated, error) {
			return []web.Unreplicated{{Dataset: "logs", Peer: "till", Text: "dataset logs is left out"}}, nil
		}
	})
	w := s.request(http.MethodGet, "/health", nil)
	if want := `"ok":true,"reasons":[],"warnings":["` + s.store.Path() + `: dataset logs is left out"]`; w.Code != 200 || !strings.Contains(w.Body.String(), want) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestHealthOfAClosedDatabase(t *testing.T) {
	s := newSite(t, nil)
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	w := s.request(http.MethodGet, "/health", nil)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "cannot be read") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, err := s.store.Tables(t.Context()); err == nil {
		t.Error("tables of a closed database were read")
	}
	if got := s.get("/metrics"); !strings.Contains(got, `sqlsync_up{database="`+s.store.Path()+`"} 0`) {
		t.Errorf("metrics are %s", got)
	}
}
