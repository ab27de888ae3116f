package web_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/web"
)

// reader reads server-sent events.
type reader struct {
	t      testing.TB
	lines  *bufio.Scanner
	cancel context.CancelFunc
	lastID string
}

// read asks for a stream and returns when it has begun.
func read(t testing.TB, url, lastID string) *reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", url, answer.StatusCode, body(t, answer.Body))
	}
	if got := answer.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("content type is %q", got)
	}
	s := bufio.NewScanner(answer.Body)
	s.Buffer(nil, 1<<20)
	return &reader{t: t, lines: s, cancel: cancel}
}

// next returns the next event's name and data.
func (r *reader) next() (event, data string) {
	r.t.Helper()
	for r.lines.Scan() {
		name, value, _ := strings.Cut(r.lines.Text(), ": ")
		switch name {
		case "id":
			r.lastID = value
		case "event":
			event = value
		case "data":
			data = value
		case "":
			if value == "" && data != "" {
				return event, data
			}
		}
	}
	r.t.Fatalf("the stream ended: %v", r.lines.Err())
	return "", ""
}

// until reads to the event whose data has a text and returns it.
func (r *reader) until(text string) string {
	r.t.Helper()
	for {
		if _, data := r.next(); strings.Contains(data, text) {
			return data
		}
	}
}

func TestEventsFromTheStartAndOn(t *testing.T) {
	s := newSite(t, nil)
	url := s.run() + "/events"
	s.write(`INSERT INTO orders VALUES (1, 'before')`)
	all := read(t, url+"?from=start", "")
	if _, got := all.next(); !strings.Contains(got, "before") {
		t.Errorf("first is %s", got)
	}
	now := read(t, url, "")
	s.write(`INSERT INTO orders VALUES (2, 'after')`)
	for _, r := range []*reader{all, now} {
		if _, got := r.next(); !strings.Contains(got, "after") {
			t.Errorf("next is %s", got)
		}
	}
}

// A reader that comes back gets what it had not, in every dataset, and those
// that were made meanwhile.
func TestEventsResume(t *testing.T) {
	s := newSite(t, nil)
	url := s.run() + "/events"
	first := read(t, url, "")
	s.write(`INSERT INTO orders VALUES (1, 'one'), (2, 'two'), (3, 'three')`)
	first.next()
	id := first.lastID
	first.cancel()
	s.watch("journée.2-b_c", "logs")
	s.exec(`INSERT INTO logs VALUES (1, 'elsewhere')`)
	s.seal("journée.2-b_c")
	second := read(t, url, id)
	for _, want := range []string{"two", "three", "elsewhere"} {
		if _, got := second.next(); !strings.Contains(got, want) {
			t.Errorf("next is %s, want %s", got, want)
		}
	}
	s.write(`INSERT INTO orders VALUES (4, 'four')`)
	third := read(t, url, second.lastID)
	if _, got := third.next(); !strings.Contains(got, "four") {
		t.Errorf("next is %s", got)
	}
}

func TestEventsAtACursor(t *testing.T) {
	s := newSite(t, nil)
	url := s.run() + "/events"
	s.write(`INSERT INTO orders VALUES (1, 'one'), (2, 'two')`)
	r := read(t, url+"?from=start", "")
	_, data := r.next()
	cursor := decode[struct{ Cursor string }](t, data).Cursor
	if _, got := read(t, url+"?cursor="+cursor, "").next(); !strings.Contains(got, "two") {
		t.Errorf("behind %s is %s", cursor, got)
	}
}

func TestEventsFiltered(t *testing.T) {
	s := newSite(t, nil)
	s.watch("primary", "logs")
	url := s.run() + "/events?from=start"
	s.write(`INSERT INTO orders VALUES (1, 'x')`)
	s.write(`INSERT INTO logs VALUES (1, 'line')`)
	if _, got := read(t, url+"&table=LOGS", "").next(); !strings.Contains(got, "line") {
		t.Errorf("of logs: %s", got)
	}
	if _, got := read(t, url+"&table=nothing&table=orders", "").next(); !strings.Contains(got, `"x"`) {
		t.Errorf("of two tables: %s", got)
	}
	if _, got := read(t, url+"&origin="+nodeKey(s.store.Node())[:14], "").next(); !strings.Contains(got, `"x"`) {
		t.Errorf("of this node: %s", got)
	}
	other := read(t, url+"&origin=sqlsync1q", "")
	s.write(`INSERT INTO orders VALUES (2, 'y')`)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if other.lines.Scan() && strings.HasPrefix(other.lines.Text(), "data") {
			t.Errorf("of nobody: %s", other.lines.Text())
		}
		other.lines.Scan() // the comment's end, then nothing until it is cancelled
		other.lines.Scan()
	}()
	read(t, url, "").until(`"y"`)
	other.cancel()
	<-done
}

func TestEventsOfBadRequests(t *testing.T) {
	s := newSite(t, nil)
	for query, want := range map[string]int{
		"?cursor=nonsense": 400, "?from=yesterday": 400, "?dataset=nosuch": 404, "?db=nosuch": 404,
	} {
		if w := s.request("GET", "/events"+query, nil); w.Code != want {
			t.Errorf("%s: %d %s, want %d", query, w.Code, w.Body, want)
		}
	}
	bad := func(r *http.Request) { r.Header.Set("Last-Event-ID", "primary:1:1,%zz") }
	if w := s.request("GET", "/events", bad); w.Code != 400 {
		t.Errorf("a bad id: %d", w.Code)
	}
}

// stuck is a reader that takes one event and no more until it is let go.
type stuck struct {
	header  http.Header
	events  atomic.Int64
	reached chan struct{}
	let     chan struct{}
}

func (w *stuck) Header() http.Header { return w.header }
func (w *stuck) WriteHeader(int)     {}
func (w *stuck) Flush()              {}
func (w *stuck) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "data: ") && w.events.Add(1) == 1 {
		close(w.reached)
		<-w.let
	}
	return len(b), nil
}

// Nothing is read for a reader that does not read.
func TestEventsOfASlowReader(t *testing.T) {
	var made atomic.Int64
	s := newSite(t, func(o *web.Options) {
		change := o.Databases[0].Show.Change
		o.Databases[0].Show.Change = func(e *cdc.Entry) any { made.Add(1); return change(e) }
	})
	const rows = 500
	for i := range rows {
		s.exec(`INSERT INTO orders VALUES (?, 'x')`, i)
	}
	s.seal("primary")
	w := &stuck{header: make(http.Header), reached: make(chan struct{}), let: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/events?from=start", nil)
		s.ServeHTTP(w, r)
	}()
	<-w.reached
	s.write(`INSERT INTO orders VALUES (9999, 'y')`)
	if n := made.Load(); n != 1 {
		t.Errorf("%d events were made for a reader that took none", n)
	}
	close(w.let)
	for w.events.Load() < rows+1 {
		select {
		case <-ended:
			t.Fatal("the stream ended")
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	<-ended
}

func TestStreamsAreBounded(t *testing.T) {
	s := newSite(t, nil)
	url := s.run() + "/events"
	var all []*reader
	for range 64 {
		all = append(all, read(t, url, ""))
	}
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("one more reader: %d", answer.StatusCode)
	}
	for _, r := range all {
		r.cancel()
	}
	if w := s.request("GET", "/health", nil); w.Code != 200 {
		t.Errorf("health with many readers: %d", w.Code)
	}
}

func TestLive(t *testing.T) {
	s := newSite(t, nil)
	url := s.run()
	r := read(t, url+"/api/live", "")
	if event, data := r.next(); event != "history" || !strings.Contains(data, s.store.Path()) {
		t.Fatalf("first is %s %s", event, data)
	}
	for i := range 60 {
		s.write(`INSERT INTO orders VALUES (?, ?)`, i, fmt.Sprintf("line %d.", i))
	}
	data := r.until("line 59.")
	if strings.Contains(data, "line 0.") {
		t.Error("more than the end of the log was sent")
	}
	s.write(`INSERT INTO orders VALUES (100, ?)`, strings.Repeat("long ", 10000))
	if data := r.until(`[100]`); len(data) > 50*1024 || !strings.Contains(data, `"cut":true`) {
		t.Errorf("a large change came in %d bytes", len(data))
	}
	r.until(`"sealed":61`)
}
