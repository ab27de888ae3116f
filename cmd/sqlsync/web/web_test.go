package web_test

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/web"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/replicate"
	"sqlsync/wire"
)

// site is a server over one database, which a test writes to as its
// application does. Nothing replicates it: peers are what the test says.
type site struct {
	*web.Server
	t       testing.TB
	store   *cdc.Store
	app     *sql.DB
	options web.Options

	mu        sync.Mutex
	peers     []replicate.Status
	conflicts any
}

const schema = `CREATE TABLE orders (id INTEGER PRIMARY KEY, note); CREATE TABLE logs (id INTEGER PRIMARY KEY, line)`

// newSite makes a site; with changes its options.
func newSite(t testing.TB, with func(*web.Options)) *site {
	t.Helper()
	s := &site{t: t, conflicts: []any{}}
	path := filepath.Join(t.TempDir(), "shop.db")
	err := os.WriteFile(path, nil, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if s.app, err = sql.Open("sqlite", cdc.AppDSN(path)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.app.Close() })
	s.exec(schema)
	counters := web.NewCounters()
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	s.store, err = cdc.Open(t.Context(), cdc.Options{
		Path: path, Node: merge.NodeID(key.Public().(ed25519.PublicKey)), Observe: counters.Observe(path),
		Sign:   func(h wire.Hash) []byte { return ed25519.Sign(key, h[:]) },
		Verify: func(origin merge.NodeID, h wire.Hash, sig []byte) bool { return ed25519.Verify(origin[:], h[:], sig) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close() })
	s.watch(cdc.DefaultDataset, "orders")
	s.options = web.Options{Counters: counters, Version: "1.2.3", Databases: []*web.Database{{Path: path, Store: s.store, Peers: s.status, Show: web.Show{
		Key: nodeKey, Change: changeOf,
		Status:    func(context.Context) (any, error) { return map[string]any{"warnings": []string{"mind the gap"}}, nil },
		Tables:    func(context.Context) (any, error) { return []any{}, nil },
		Conflicts: func(context.Context) (any, error) { s.mu.Lock(); defer s.mu.Unlock(); return s.conflicts, nil },
	}}}}
	if with != nil {
		with(&s.options)
	}
	s.Server = web.New(s.options)
	return s
}

func nodeKey(n merge.NodeID) string { return crypto.PublicKey(n).String() }

func changeOf(e *cdc.Entry) any {
	return map[string]any{
		"cursor": e.Cursor.String(), "table": e.Table, "op": e.Change.Op.String(), "key": e.Change.Key, "values": e.Change.Values,
		"origin": nodeKey(e.Origin), "time": e.Change.HLC.Time(),
	}
}

func (s *site) exec(q string, args ...any) {
	s.t.Helper()
	if _, err := s.app.Exec(q, args...); err != nil {
		s.t.Fatalf("%s: %v", q, err)
	}
}

func (s *site) watch(dataset, table string) {
	s.t.Helper()
	list, err := s.store.Watch(s.t.Context(), []string{table}, cdc.WatchOptions{Dataset: dataset})
	if err != nil || list[0].Refused != nil {
		s.t.Fatal(err, list)
	}
}

// write writes as the application does, and seals.
func (s *site) write(q string, args ...any) {
	s.t.Helper()
	s.exec(q, args...)
	s.seal(cdc.DefaultDataset)
}

func (s *site) seal(dataset string) {
	s.t.Helper()
	if err := s.store.Seal(s.t.Context(), dataset); err != nil {
		s.t.Fatal(err)
	}
}

// peer adds a remote, and what the node is to say of it.
func (s *site) peer(name string, st replicate.Status) merge.NodeID {
	s.t.Helper()
	r := cdc.Remote{Name: name, Key: merge.NodeID{1: byte(len(s.peers) + 1)}, Pull: true, Push: true}
	if err := s.store.AddRemote(s.t.Context(), r); err != nil {
		s.t.Fatal(err)
	}
	st.Remote = replicate.Remote{Name: name, Peer: r.Key, Pull: true, Push: true}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers = append(s.peers, st)
	return r.Key
}

func (s *site) status(context.Context) ([]replicate.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peers, nil
}

// request asks as a local browser does; edit changes that.
func (s *site) request(method, target string, edit func(*http.Request)) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, "http://127.0.0.1:8117"+target, nil)
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// get asks for something that is there.
func (s *site) get(target string) string {
	s.t.Helper()
	w := s.request(http.MethodGet, target, nil)
	if w.Code != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", target, w.Code, w.Body)
	}
	return w.Body.String()
}

// run serves on a real socket until the test ends, and returns its address.
func (s *site) run() string {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.Run(ctx, l); err != nil && ctx.Err() == nil {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(func() { cancel(); done.Wait() })
	return "http://" + l.Addr().String()
}

// TestShown is what the page asks for beside what comes by itself.
func TestShown(t *testing.T) {
	s := newSite(t, nil)
	if got := s.get("/api/status"); !strings.Contains(got, "mind the gap") {
		t.Errorf("status is %s", got)
	}
	if got := s.get("/api/tables?db=" + s.store.Path()); strings.TrimSpace(got) != "[]" {
		t.Errorf("tables are %s", got)
	}
	if w := s.request(http.MethodGet, "/api/tables?db=other.db", nil); w.Code != http.StatusNotFound {
		t.Errorf("a database that is not served: %d %s", w.Code, w.Body)
	}
	for _, path := range []string{"/", "/login", "/static/app.js", "/static/style.css", "/static/icon.svg"} {
		if path == "/login" { // there is nothing to log in to
			continue
		}
		if w := s.request(http.MethodGet, path, nil); w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := s.request(http.MethodGet, "/nothing", nil); w.Code != http.StatusNotFound {
		t.Errorf("/nothing: %d", w.Code)
	}
}

func TestPprofIsAskedFor(t *testing.T) {
	if w := newSite(t, nil).request(http.MethodGet, "/debug/pprof/", nil); w.Code != http.StatusNotFound {
		t.Errorf("without --pprof: %d", w.Code)
	}
	s := newSite(t, func(o *web.Options) { o.Pprof = true })
	if got := s.get("/debug/pprof/"); !strings.Contains(got, "goroutine") {
		t.Errorf("with --pprof: %s", got)
	}
}

func decode[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func body(t testing.TB, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
