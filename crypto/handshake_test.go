package crypto

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flynn/noise"
)

const (
	clientNode = 1
	serverNode = 2
)

func admitAll(PublicKey, []byte) error { return nil }

// tap keeps a copy of each Write on a connection.
type tap struct {
	net.Conn
	mu     sync.Mutex
	writes [][]byte
}

func (c *tap) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writes = append(c.writes, bytes.Clone(p))
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// serve runs Server on one end of a pipe and returns the other, and a function that
// waits for Server.
func serve(t *testing.T, ctx context.Context, admit func(PublicKey, []byte) error, o Options) (net.Conn, *tap, func() (*Conn, error)) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	o.Rand = seeded(100 + serverNode)
	server := &tap{Conn: far}
	var conn *Conn
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err = Server(ctx, server, node(t, serverNode), admit, o)
	}()
	return near, server, func() (*Conn, error) { <-done; return conn, err }
}

// pair returns both ends of a connection.
func pair(t *testing.T, o Options) (client, server *Conn) {
	t.Helper()
	near, _, wait := serve(t, t.Context(), admitAll, o)
	client, err := Client(t.Context(), near, node(t, clientNode), node(t, serverNode).PublicKey(), nil, o)
	if err != nil {
		t.Fatal(err)
	}
	server, err = wait()
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

func TestHandshake(t *testing.T) {
	payload := bytes.Repeat([]byte("p"), MaxPayload)
	var peer PublicKey
	var got []byte
	near, _, wait := serve(t, t.Context(), func(k PublicKey, p []byte) error {
		peer, got = k, p
		return nil
	}, Options{})
	client, err := Client(t.Context(), near, node(t, clientNode), node(t, serverNode).PublicKey(), payload, Options{})
	if err != nil {
		t.Fatal(err)
	}
	server, err := wait()
	if err != nil {
		t.Fatal(err)
	}
	if want := node(t, clientNode).PublicKey(); peer != want || server.Peer() != want {
		t.Errorf("server sees %v and %v, want %v", peer, server.Peer(), want)
	}
	if want := node(t, serverNode).PublicKey(); client.Peer() != want {
		t.Errorf("client sees %v, want %v", client.Peer(), want)
	}
	if !bytes.Equal(got, payload) {
		t.Errorf("payload of %d bytes, want %d", len(got), len(payload))
	}
}

// TestHandshakeTrace pins every byte: a change here is a new protocol version.
func TestHandshakeTrace(t *testing.T) {
	near, server, wait := serve(t, t.Context(), admitAll, Options{})
	client := &tap{Conn: near}
	c, err := Client(t.Context(), client, node(t, clientNode), node(t, serverNode).PublicKey(),
		[]byte("hello"), Options{Rand: seeded(100 + clientNode)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := wait()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c.Write([]byte("from the client"))
		c.Close()
	}()
	if got, err := io.ReadAll(s); string(got) != "from the client" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	var b strings.Builder
	for i := range client.writes {
		fmt.Fprintf(&b, "client %x\n", client.writes[i])
		if i < len(server.writes) {
			fmt.Fprintf(&b, "server %x\n", server.writes[i])
		}
	}
	want, err := os.ReadFile("testdata/handshake.golden")
	if err != nil || b.String() != string(want) {
		t.Errorf("trace (%v):\n%swant:\n%s", err, b.String(), want)
	}
}

func TestWrongServerKey(t *testing.T) {
	near, server, wait := serve(t, t.Context(), admitAll, Options{})
	_, err := Client(t.Context(), near, node(t, clientNode), node(t, 9).PublicKey(), nil, Options{})
	if !errors.Is(err, ErrRefused) {
		t.Errorf("client: %v", err)
	}
	if _, err := wait(); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("server: %v", err)
	}
	if len(server.writes) != 0 {
		t.Errorf("the server answered: %x", server.writes)
	}
}

func TestImpostorServer(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		io.ReadFull(far, make([]byte, 2+helloLen))
		far.Write(append([]byte{0, helloLen}, node(t, 9).static.Public...))
		far.Write(make([]byte, tagLen))
	}()
	_, err := Client(t.Context(), near, node(t, clientNode), node(t, serverNode).PublicKey(), nil, Options{})
	if !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("error = %v", err)
	}
	if _, err := near.Write(nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the connection is open: %v", err)
	}
}

func TestPayloadTooLong(t *testing.T) {
	near, _, wait := serve(t, t.Context(), admitAll, Options{})
	_, err := Client(t.Context(), near, node(t, clientNode), node(t, serverNode).PublicKey(), make([]byte, MaxPayload+1), Options{})
	if err == nil || !strings.Contains(err.Error(), "4097") {
		t.Errorf("error = %v", err)
	}
	if _, err := wait(); err == nil {
		t.Error("the server has a connection")
	}
}

// A key whose text says Ed25519 but whose point has a small order is nobody's.
func TestClientRefusesSmallOrderPeer(t *testing.T) {
	near, _ := net.Pipe()
	if _, err := Client(t.Context(), near, node(t, 1), PublicKey{1}, nil, Options{}); !errors.Is(err, ErrBadKey) {
		t.Errorf("error = %v", err)
	}
}

// intruder is a client that says what it likes.
type intruder struct {
	static noise.DHKey
	claim  []byte                // instead of its key and payload
	alter  func(message3 []byte) // after encryption
	extra  []byte                // after message 3, in the same write
}

// run returns what the server sent after the third message.
func (in intruder) run(t *testing.T, conn net.Conn) []byte {
	t.Helper()
	id := *node(t, clientNode)
	if in.static.Public != nil {
		id.static = in.static
	}
	h, err := newHandshake(conn, &id, node(t, serverNode).static.Public, Options{Rand: seeded(100 + clientNode)})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.send(nil); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := h.receive(helloLen, helloLen); err != nil {
		t.Fatal(err)
	}
	m, _, _, err := h.state.WriteMessage([]byte{0, 0}, in.claim)
	if err != nil {
		t.Fatal(err)
	}
	m[0], m[1] = byte((len(m)-2)>>8), byte(len(m)-2)
	if in.alter != nil {
		in.alter(m)
	}
	conn.Write(append(m, in.extra...)) // it may be cut off
	rest, _ := io.ReadAll(conn)
	return rest
}

// TestRefusalsLookAlike: whatever made the server refuse, the client sees the same
// bytes in the same number of messages, then the end.
func TestRefusalsLookAlike(t *testing.T) {
	own := node(t, clientNode).PublicKey()
	other := node(t, 9).PublicKey()
	unwanted := errors.New("unknown key")
	refuseAll := func(PublicKey, []byte) error { return unwanted }
	var first string
	for _, test := range []struct {
		name  string
		in    intruder
		admit func(PublicKey, []byte) error
		want  error
	}{
		{"unknown key", intruder{claim: own[:]}, refuseAll, unwanted},
		{"unknown key, early data", intruder{claim: own[:], extra: make([]byte, 999)}, refuseAll, unwanted},
		{"other's signature key", intruder{claim: other[:]}, admitAll, ErrUnauthenticated},
		{"other's static key", intruder{claim: own[:], static: node(t, 9).static}, admitAll, ErrUnauthenticated},
		{"no point", intruder{claim: append([]byte{2}, make([]byte, 31)...)}, admitAll, ErrUnauthenticated},
		{"no key", intruder{claim: nil}, admitAll, ErrUnauthenticated},
		{"half a key", intruder{claim: own[:16]}, admitAll, ErrUnauthenticated},
		{"payload too long", intruder{claim: append(own[:], make([]byte, MaxPayload+1)...)}, admitAll, ErrUnauthenticated},
		{"static altered", intruder{claim: own[:], alter: func(m []byte) { m[2] ^= 1 }}, admitAll, ErrUnauthenticated},
		{"payload altered", intruder{claim: own[:], alter: func(m []byte) { m[len(m)-1] ^= 1 }}, admitAll, ErrUnauthenticated},
		{"length altered", intruder{claim: own[:], alter: func(m []byte) { m[1]++ }, extra: []byte{0}}, admitAll, ErrUnauthenticated},
	} {
		near, server, wait := serve(t, t.Context(), test.admit, Options{})
		if rest := test.in.run(t, near); len(rest) != 0 {
			t.Errorf("%s: the server answered %x", test.name, rest)
		}
		if _, err := wait(); !errors.Is(err, test.want) {
			t.Errorf("%s: error = %v, want %v", test.name, err, test.want)
		}
		got := fmt.Sprintf("%x", server.writes)
		if first == "" {
			first = got
		}
		if got != first || len(server.writes) != 1 {
			t.Errorf("%s: the server sent %s, before %s", test.name, got, first)
		}
	}
}

func TestClientLearnsOfRefusal(t *testing.T) {
	near, _, wait := serve(t, t.Context(), func(PublicKey, []byte) error { return errors.New("no") }, Options{})
	_, err := Client(t.Context(), near, node(t, clientNode), node(t, serverNode).PublicKey(), nil, Options{})
	if !errors.Is(err, ErrRefused) {
		t.Errorf("error = %v", err)
	}
	wait()
}

// TestStrangers: what does not prove that it knows the server's key gets no answer,
// and nothing is read or held on its word.
func TestStrangers(t *testing.T) {
	early := func() []byte { // a first message with a payload
		c := noiseConfig(xchachaPoly{}, prologue, node(t, clientNode).static, node(t, serverNode).static.Public, nil)
		s, err := noise.NewHandshakeState(c)
		if err != nil {
			t.Fatal(err)
		}
		m, _, _, err := s.WriteMessage([]byte{0, helloLen + 5}, []byte("early"))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}()
	for name, in := range map[string][]byte{
		"early data":    early,
		"HTTP":          []byte("GET / HTTP/1.1\r\n\r\n"),
		"long":          {0xff, 0xff},
		"empty message": {0, 0},
		"small order":   append([]byte{0, helloLen}, make([]byte, helloLen)...),
		"nothing":       nil,
	} {
		near, server, wait := serve(t, t.Context(), admitAll, Options{})
		near.Write(in) // it is cut off after two bytes at the earliest
		if in == nil {
			near.Close()
		}
		_, err := wait()
		if in != nil && !errors.Is(err, ErrUnauthenticated) || in == nil && !errors.Is(err, io.EOF) {
			t.Errorf("%s: error = %v", name, err)
		}
		if len(server.writes) != 0 {
			t.Errorf("%s: the server answered %x", name, server.writes)
		}
		if _, err := near.Write([]byte{0}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: the connection is open", name)
		}
	}
}

func TestOtherPrologueIsRefused(t *testing.T) {
	c := noiseConfig(xchachaPoly{}, "sqlsync/2", node(t, clientNode).static, node(t, serverNode).static.Public, nil)
	s, err := noise.NewHandshakeState(c)
	if err != nil {
		t.Fatal(err)
	}
	m, _, _, err := s.WriteMessage([]byte{0, helloLen}, nil)
	if err != nil {
		t.Fatal(err)
	}
	near, server, wait := serve(t, t.Context(), admitAll, Options{})
	near.Write(m)
	if _, err := wait(); !errors.Is(err, ErrUnauthenticated) || len(server.writes) != 0 {
		t.Errorf("error = %v, answer %s", err, hex.EncodeToString(bytes.Join(server.writes, nil)))
	}
}

func TestHalfOpenHandshakeEnds(t *testing.T) {
	stop := errors.New("stopped")
	for name, sent := range map[string]int{"silent": 0, "slow": 7, "before the third message": 2 + helloLen} {
		synctest.Test(t, func(t *testing.T) {
			started := time.Now()
			near, _, wait := serve(t, t.Context(), admitAll, Options{})
			h, err := newHandshake(near, node(t, clientNode), node(t, serverNode).static.Public, Options{})
			if err != nil {
				t.Fatal(err)
			}
			m, _, _, err := h.state.WriteMessage([]byte{0, helloLen}, nil)
			if err != nil {
				t.Fatal(err)
			}
			near.Write(m[:sent])
			if _, err := wait(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: error = %v", name, err)
			}
			if took := time.Since(started); took != 10*time.Second {
				t.Errorf("%s: took %v", name, took)
			}
		})
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			_, _, wait := serve(t, ctx, admitAll, Options{})
			synctest.Wait()
			cancel(stop)
			if _, err := wait(); !errors.Is(err, stop) {
				t.Errorf("cancelled: error = %v", err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		_, err := Client(t.Context(), near, node(t, clientNode), node(t, serverNode).PublicKey(), nil, Options{HandshakeTimeout: time.Minute})
		if !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ErrRefused) {
			t.Errorf("client: error = %v", err)
		}
	})
}
