package mesh

import (
	"bytes"
	"database/sql"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/wire"
)

// fort is a host with something to lose: a table in primary, which others may be
// let at, and one in a dataset of its own.
type fort struct {
	*Member
	t    *testing.T
	addr string
	was  map[string]cdc.Digest
}

const fortSchema = `CREATE TABLE orders (id INTEGER PRIMARY KEY, note); INSERT INTO orders VALUES (1, 'ours');
	CREATE TABLE wages (id INTEGER PRIMARY KEY, note); INSERT INTO wages VALUES (1, 'secret')`

func newFort(t *testing.T) *fort {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fort.db")
	if err := cdc.CreateFile(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", cdc.AppDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(fortSchema); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f := &fort{t: t}
	f.Member, f.addr = hostOf(t, path)
	for table, dataset := range map[string]string{"orders": "primary", "wages": "payroll"} {
		if v, err := f.Store.Watch(t.Context(), []string{table}, cdc.WatchOptions{Dataset: dataset}); err != nil || v[0].Refused != nil {
			t.Fatal(v, err)
		}
	}
	f.was = f.digest()
	return f
}

func (f *fort) digest() map[string]cdc.Digest {
	f.t.Helper()
	d, err := f.Store.Digest(f.t.Context(), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// befriend makes a remote of a new identity, which may have primary.
func (f *fort) befriend(name string, pull, push bool) *crypto.Identity {
	f.t.Helper()
	id := newIdentity(f.t)
	r := cdc.Remote{Name: name, Key: merge.NodeID(id.PublicKey()), Pull: pull, Push: push, Datasets: []string{"primary"}}
	if err := f.Store.AddRemote(f.t.Context(), r); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.Reload(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	return id
}

// stands checks that nothing has changed, and that a friend is served.
func (f *fort) stands(what string, friend *crypto.Identity) {
	f.t.Helper()
	if got := f.digest(); !maps.Equal(got, f.was) {
		f.t.Errorf("%s: tables have changed: %v, were %v", what, got, f.was)
	}
	v := f.visit(friend)
	defer v.raw.Close()
	v.say(v.hello(true, true))
	if m, err := v.in.Read(); err != nil {
		f.t.Errorf("%s: a friend is not served: %v", what, err)
	} else if _, ok := m.(*wire.Hello); !ok {
		f.t.Errorf("%s: a friend hears %T", what, m)
	}
}

// tap keeps what goes through a connection.
type tap struct {
	net.Conn
	mu       sync.Mutex
	in, outs bytes.Buffer
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in.Write(p[:n])
	return n, err
}

func (c *tap) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.outs.Write(p)
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *tap) sides() (in, out []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.in.Bytes()), bytes.Clone(c.outs.Bytes())
}

func (f *fort) dial() net.Conn {
	f.t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute)) // of a test that hangs
	return c
}

// rest is what the fort says until it hangs up.
func (f *fort) rest(c net.Conn) []byte {
	f.t.Helper()
	defer c.Close()
	b, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		f.t.Error("the connection stays open")
	}
	return b
}

// visitor is an authenticated peer that says what it likes.
type visitor struct {
	t    *testing.T
	id   *crypto.Identity
	raw  *tap
	conn *crypto.Conn
	out  *wire.Writer
	in   *wire.Reader
}

func (f *fort) visit(id *crypto.Identity) *visitor {
	f.t.Helper()
	v := &visitor{t: f.t, id: id, raw: &tap{Conn: f.dial()}}
	c, err := crypto.Client(f.t.Context(), v.raw, id, f.Identity.PublicKey(), nil, crypto.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	v.conn, v.out, v.in = c, wire.NewWriter(c), wire.NewReader(c, wire.Limits{})
	return v
}

// say says as much as is listened to.
func (v *visitor) say(messages ...wire.Message) {
	for _, m := range messages {
		if v.out.Write(m) != nil {
			return
		}
	}
}

// hear returns what is said until the connection ends.
func (v *visitor) hear() (all []wire.Message) {
	defer v.raw.Close()
	for {
		m, err := v.in.Read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			v.t.Error("the connection stays open")
		}
		if err != nil {
			return all
		}
		all = append(all, m)
	}
}

func (v *visitor) hello(pull, push bool) *wire.Hello {
	return &wire.Hello{MinProtocol: wire.MinProtocol, MaxProtocol: wire.MaxProtocol, Dataset: "primary", Pull: pull, Push: push, Now: merge.At(time.Now())}
}

// mute is a connection whose other end seems to hang up, and that stays open.
type mute struct{ net.Conn }

func (mute) Read([]byte) (int, error) { return 0, io.EOF }
func (mute) Close() error             { return nil }

// half leaves a handshake where the fort waits for the third message.
func (f *fort) half() net.Conn {
	f.t.Helper()
	c := f.dial()
	if _, err := crypto.Client(f.t.Context(), mute{c}, newIdentity(f.t), f.Identity.PublicKey(), nil, crypto.Options{}); !errors.Is(err, crypto.ErrRefused) {
		f.t.Fatal(err)
	}
	return c
}

func TestWrongKeyAndOtherProtocols(t *testing.T) {
	f := newFort(t)
	friend := f.befriend("friend", true, true)
	_, err := crypto.Client(t.Context(), f.dial(), friend, newIdentity(t).PublicKey(), nil, crypto.Options{})
	if !errors.Is(err, crypto.ErrRefused) {
		t.Errorf("with another node's key: %v", err)
	}
	var plain bytes.Buffer
	v := &visitor{}
	wire.NewWriter(&plain).Write(v.hello(true, true))
	for name, said := range map[string][]byte{
		"HTTP":                 []byte("GET / HTTP/1.1\r\nHost: fort\r\n\r\n"),
		"TLS":                  {0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3},
		"a hello in clear":     plain.Bytes(),
		"zeros":                make([]byte, 1000),
		"the longest length":   bytes.Repeat([]byte{0xff}, 1<<17),
		"a length and no more": {0, 48},
	} {
		c := f.dial()
		c.Write(said)
		c.(*net.TCPConn).CloseWrite()
		if b := f.rest(c); len(b) > 0 {
			t.Errorf("%s: answered %x", name, b)
		}
	}
	f.stands("strangers", friend)
}

// A handshake that was seen opens nothing when it is said again, whole or with
// what followed it.
func TestReplayedSession(t *testing.T) {
	f := newFort(t)
	friend := f.befriend("friend", true, true)
	v := f.visit(friend)
	v.say(v.hello(true, true), &wire.SealRequest{ID: 1}, &wire.Bye{})
	if len(v.hear()) == 0 {
		t.Fatal("the session itself was refused")
	}
	heard, said := v.raw.sides()
	c := f.dial()
	c.Write(said)
	if b := f.rest(c); len(b) != 50 || bytes.Equal(b, heard[:50]) {
		t.Errorf("heard %x, want a second message with another key", b)
	}
	// Half a handshake of its own, and the rest of the other.
	c = f.half()
	c.Write(said[50:])
	if b := f.rest(c); len(b) != 50 {
		t.Errorf("heard %d bytes", len(b))
	}
	f.stands("replay", friend)
}

// Its own messages, and those of another session, are nothing to the fort.
func TestReflectedMessages(t *testing.T) {
	f := newFort(t)
	friend := f.befriend("friend", true, true)
	other := f.visit(friend)
	other.say(other.hello(false, false), &wire.Bye{})
	other.hear()
	_, foreign := other.raw.sides()

	c := f.half()
	second := make([]byte, 50)
	if _, err := io.ReadFull(c, second); err != nil {
		t.Fatal(err)
	}
	c.Write(second)
	if b := f.rest(c); len(b) > 0 {
		t.Errorf("its second message back: answered %x", b)
	}
	for name, records := range map[string]func(*visitor) []byte{
		"its records": func(v *visitor) []byte {
			heard, _ := v.raw.sides()
			return heard[50:]
		},
		"the peer's records again": func(v *visitor) []byte {
			_, said := v.raw.sides()
			return said[50+98:]
		},
		"another session's": func(*visitor) []byte { return foreign[50+98:] },
	} {
		v := f.visit(friend)
		v.say(v.hello(false, false))
		if _, err := v.in.Read(); err != nil {
			t.Fatal(err)
		}
		v.raw.Write(records(v))
		for _, m := range v.hear() {
			if _, ok := m.(*wire.Ping); !ok {
				t.Errorf("%s: answered %T", name, m)
			}
		}
	}
	near, far := net.Pipe()
	go io.Copy(far, far)
	if _, err := crypto.Client(t.Context(), near, friend, f.Identity.PublicKey(), nil, crypto.Options{}); !errors.Is(err, crypto.ErrUnauthenticated) {
		t.Errorf("a client that talks to itself: %v", err)
	}
	f.stands("reflection", friend)
}

// What is said before a stranger was refused is never looked at.
func TestEarlyData(t *testing.T) {
	f := newFort(t)
	friend := f.befriend("friend", true, true)
	v := f.visit(friend)
	v.say(v.hello(true, true), &wire.Bye{})
	v.hear()
	_, said := v.raw.sides()
	early := said[50+98:]
	for name, id := range map[string]*crypto.Identity{"a stranger": newIdentity(t), "a friend": friend} {
		raw := &lateConn{Conn: f.dial(), more: early}
		h := &heard{Conn: raw}
		c, err := crypto.Client(t.Context(), h, id, f.Identity.PublicKey(), nil, crypto.Options{})
		if name == "a stranger" {
			if !errors.Is(err, crypto.ErrRefused) || h.n.Load() != 50 {
				t.Errorf("%s: heard %d bytes, %v", name, h.n.Load(), err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(c); len(b) > 0 { // what came with the handshake is no record of this session
			t.Errorf("%s: heard %x", name, b)
		}
	}
	f.stands("early data", friend)
}

// lateConn sends more right behind its second write, the third message.
type lateConn struct {
	net.Conn
	writes int
	more   []byte
}

func (c *lateConn) Write(p []byte) (int, error) {
	if c.writes++; c.writes == 2 {
		n, err := c.Conn.Write(append(bytes.Clone(p), c.more...))
		return min(n, len(p)), err
	}
	return c.Conn.Write(p)
}

// Handshakes that are begun and left keep nobody out.
func TestFloodOfHalfHandshakes(t *testing.T) {
	f := newFort(t)
	friend := f.befriend("friend", true, true)
	for range 2 {
		for range 2 * lobbySize {
			c := f.half()
			defer c.Close()
		}
		silent := f.dial()
		defer silent.Close()
		f.stands("flood", friend)
	}
}

// Whoever comes and goes leaves nothing behind.
func TestManyHostileConnections(t *testing.T) {
	f := newFort(t)
	friend := f.befriend("friend", true, true)
	stranger, spy := newIdentity(t), f.befriend("spy", false, true)
	kinds := []func(){
		func() { f.dial().Close() },
		func() {
			c := f.dial()
			c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			f.rest(c)
		},
		func() { f.half().Close() },
		func() {
			if _, err := crypto.Client(t.Context(), f.dial(), stranger, f.Identity.PublicKey(), nil, crypto.Options{}); !errors.Is(err, crypto.ErrRefused) {
				t.Error(err)
			}
		},
		func() {
			v := f.visit(spy)
			v.conn.Write([]byte{99, 0, 0xff, 0xff, 0xff, 0xff})
			v.hear()
		},
	}
	many := 10_000
	if testing.Short() {
		many = 300
	}
	// What is left when those in flight have ended, and the most of it.
	settled := func(goroutines int, heap uint64) (int, uint64) {
		t.Helper()
		var m runtime.MemStats
		for until := time.Now().Add(time.Minute); ; runtime.Gosched() {
			runtime.GC()
			runtime.ReadMemStats(&m)
			n := runtime.NumGoroutine()
			if goroutines == 0 || n <= goroutines && m.HeapAlloc <= heap || time.Now().After(until) {
				return n, m.HeapAlloc
			}
		}
	}
	run := func(n int) {
		for i := range n {
			kinds[i%len(kinds)]()
		}
	}
	run(200) // pools, caches
	goroutines, heap := settled(0, 0)
	run(many)
	g, h := settled(goroutines+8, heap+2<<20)
	if g > goroutines+8 || h > heap+2<<20 {
		t.Errorf("after %d more: %d goroutines and %d bytes, were %d and %d", many, g, h, goroutines, heap)
	}
	f.stands("many", friend)
}
