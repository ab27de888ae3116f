package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/replicate/mesh"
)

// someMember opens a database without a command line.
func someMember(t *testing.T, db string) *mesh.Member {
	t.Helper()
	m, err := (&app{grammar: &grammar{LogLevel: "error"}, stdout: io.Discard, stderr: io.Discard}).member(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Store.Close() })
	return m
}

// A webhook is called until it says that it has taken a batch, and never again
// for that batch; what it gets is signed.
func TestWebhook(t *testing.T) {
	db := filepath.Join(t.TempDir(), "a.db")
	app, err := sql.Open("sqlite", cdc.AppDSN(db))
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	exec := func(q string) {
		t.Helper()
		if _, err := app.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := cdc.CreateFile(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, v)`)
	m := someMember(t, db)
	if _, err := m.Store.Watch(t.Context(), []string{"t"}, cdc.WatchOptions{Dataset: cdc.DefaultDataset}); err != nil {
		t.Fatal(err)
	}

	h := &cdc.Hook{Name: "web", Timeout: time.Minute}
	answer, calls := http.StatusInternalServerError, []string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte(m.Store.HookSecret(h)))
		mac.Write([]byte(r.Header.Get("Sqlsync-Timestamp") + "." + string(body)))
		if got, want := r.Header.Get("Sqlsync-Signature"), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("signature %s, want %s", got, want)
		}
		calls = append(calls, r.Header.Get("Sqlsync-Cursor")+" "+string(body))
		w.WriteHeader(answer)
	}))
	defer server.Close()
	h.URL = server.URL
	if err := m.Store.AddHook(t.Context(), h, false); err != nil {
		t.Fatal(err)
	}
	list, err := m.Store.Hooks(t.Context())
	if err != nil || len(list) != 1 || !list[0].Trusted {
		t.Fatalf("Hooks = %+v, %v", list, err)
	}
	c := &carrier{store: m.Store, hook: list[0], log: slog.New(slog.DiscardHandler)}
	deliver := func(wantErr string, wantCalls int) {
		t.Helper()
		err := c.deliver(t.Context())
		if (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("deliver = %v, want %q", err, wantErr)
		}
		if len(calls) != wantCalls {
			t.Fatalf("%d calls, want %d: %q", len(calls), wantCalls, calls)
		}
	}
	seal := func(q string) {
		t.Helper()
		exec(q)
		if err := m.Store.Seal(t.Context(), cdc.DefaultDataset); err != nil {
			t.Fatal(err)
		}
	}
	deliver("", 0)
	seal(`INSERT INTO t VALUES (1, 'one')`)
	deliver("answered 500", 1)
	answer = http.StatusFound // elsewhere is not here
	deliver("answered 302", 2)
	answer = http.StatusNoContent
	seal(`INSERT INTO t VALUES (2, 'two'), (3, 'three')`)
	deliver("", 4)
	deliver("", 4)
	if calls[0] != calls[1] || calls[1] != calls[2] || strings.Count(calls[3], "\n") != 2 || !strings.Contains(calls[3], `"v":"three"`) {
		t.Errorf("calls %q", calls)
	}

	c.hook.Timeout = time.Nanosecond
	seal(`INSERT INTO t VALUES (4, 'four')`)
	deliver("post: ", 4)
}

// A command that hangs is ended, with whatever it has started.
func TestHookThatHangs(t *testing.T) {
	db := filepath.Join(t.TempDir(), "a.db")
	if err := cdc.CreateFile(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	m := someMember(t, db)
	c := &carrier{store: m.Store, log: slog.New(slog.DiscardHandler), hook: cdc.Hook{Name: "h", Command: "sleep 600 | sleep 600", Timeout: 50 * time.Millisecond}}
	if err := c.call(t.Context(), cdc.Cursor{}, []byte("x\n")); err == nil || !strings.Contains(err.Error(), "took longer than 50ms") {
		t.Errorf("call = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.call(ctx, cdc.Cursor{}, nil); err == nil {
		t.Error("a call is made although serve is being stopped")
	}
}
