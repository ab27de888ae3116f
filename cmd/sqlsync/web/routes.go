package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/pprof"
	"time"

	"sqlsync/cdc"
)

func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	m.Handle("GET /health", brief(s.health))
	m.Handle("GET /metrics", brief(s.metrics().ServeHTTP))
	m.HandleFunc("GET /events", s.events)
	m.HandleFunc("GET /api/live", s.serveLive)
	m.Handle("GET /api/status", s.shown(func(d *Database) lookup { return d.Show.Status }))
	m.Handle("GET /api/tables", s.shown(func(d *Database) lookup { return d.Show.Tables }))
	m.Handle("GET /api/conflicts", brief(s.conflicts))
	m.Handle("POST /api/conflicts/{id}/restore", s.resolve(Resolver.RestoreConflict))
	m.Handle("POST /api/conflicts/{id}/dismiss", s.resolve(Resolver.DismissConflict))
	m.Handle("GET /login", brief(s.guard.form))
	m.Handle("POST /login", brief(s.guard.login))
	m.Handle("POST /logout", brief(s.guard.logout))
	m.Handle("GET /{$}", page("index.html"))
	m.Handle("GET /static/", brief(http.FileServerFS(static).ServeHTTP))
	m.Handle("/", nothing(m))
	if s.options.Pprof {
		m.HandleFunc("GET /debug/pprof/", pprof.Index)
		m.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		m.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		m.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		m.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return m
}

// nothing answers where nothing is, or nothing for the method.
func nothing(m *http.ServeMux) http.Handler {
	return brief(func(w http.ResponseWriter, r *http.Request) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := m.Handler(other); pattern != "/" {
				w.Header().Set("Allow", method)
				complain(w, &requestError{http.StatusMethodNotAllowed, r.Method + " is not for " + r.URL.Path, "use " + method})
				return
			}
		}
		complain(w, &requestError{http.StatusNotFound, "there is nothing at " + r.URL.Path, "docs/http.md lists what there is"})
	})
}

// briefly is how long a request and its answer may take. It is set for each,
// not for the server: a stream would end with it.
const briefly = time.Minute

func brief(f http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, until := http.NewResponseController(w), time.Now().Add(briefly)
		_ = errors.Join(c.SetReadDeadline(until), c.SetWriteDeadline(until)) // recorders in tests have none
		f(w, r)
	})
}

// requestError is an error with the status that says it, and what to do.
type requestError struct {
	status       int
	text, remedy string
}

func (e *requestError) Error() string { return e.text }
func (e *requestError) Hint() string  { return e.remedy }

// complain answers with an error.
func complain(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var re *requestError
	switch {
	case errors.As(err, &re):
		status = re.status
	case errors.Is(err, cdc.ErrNoConflict):
		status = http.StatusNotFound
	case errors.Is(err, cdc.ErrMends):
		status = http.StatusConflict
	}
	answer := map[string]string{"error": err.Error()}
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		answer["hint"] = h.Hint()
	}
	answerJSON(w, status, answer)
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}
