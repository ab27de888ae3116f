package web

import (
	"bytes"
	"net/http"
	"time"
)

const (
	// keepalive is how often a quiet stream says that it is there.
	keepalive = 15 * time.Second
	// patience is how long one event may take to be written: a reader that
	// takes nothing for so long is gone.
	patience = time.Minute
)

// eventStream writes server-sent events. Write blocks while the reader does
// not read: what is to come is not even read from the database before.
type eventStream struct {
	w http.ResponseWriter
	c *http.ResponseController
}

// stream begins one, if there is a place for it; done ends it.
func (s *Server) stream(w http.ResponseWriter) (e *eventStream, done func()) {
	select {
	case s.streams <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "10")
		complain(w, &requestError{http.StatusServiceUnavailable, "too many readers", "end others first, or read later"})
		return nil, nil
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx
	w.WriteHeader(http.StatusOK)
	return &eventStream{w, http.NewResponseController(w)}, func() { <-s.streams }
}

// send writes an event; data has no line break. id and event may be empty.
func (e *eventStream) send(id, event string, data []byte) error {
	var b bytes.Buffer
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	if event != "" {
		b.WriteString("event: " + event + "\n")
	}
	b.WriteString("data: ")
	b.Write(data)
	b.WriteString("\n\n")
	return e.write(b.Bytes())
}

// comment writes what readers pass over.
func (e *eventStream) comment(text string) error {
	if err := e.write([]byte(": " + text + "\n\n")); err != nil {
		return err
	}
	return e.flush()
}

func (e *eventStream) write(b []byte) error {
	_ = e.c.SetWriteDeadline(time.Now().Add(patience)) // recorders in tests have none
	_, err := e.w.Write(b)
	return err
}

func (e *eventStream) flush() error { return e.c.Flush() }
