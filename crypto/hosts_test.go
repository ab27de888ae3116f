package crypto

import (
	"errors"
	"net"
	"testing"
)

// hostsOf are nodes at one address; the one that is asked is noted.
func hostsOf(t *testing.T, asked *[]int, nodes ...byte) []Host {
	hosts := make([]Host, len(nodes))
	for i, n := range nodes {
		hosts[i] = Host{node(t, n), func(PublicKey, []byte) error { *asked = append(*asked, i); return nil }}
	}
	return hosts
}

type served struct {
	conn *Conn
	at   int
	err  error
}

func serveHosts(t *testing.T, hosts []Host) (net.Conn, <-chan served) {
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	done := make(chan served, 1)
	go func() {
		c, at, err := ServerOf(t.Context(), far, hosts, Options{})
		done <- served{c, at, err}
	}()
	return near, done
}

func TestClientReachesTheNodeItWants(t *testing.T) {
	for want := range 3 {
		var asked []int
		near, done := serveHosts(t, hostsOf(t, &asked, 10, 11, 12))
		client, err := Client(t.Context(), near, node(t, clientNode), node(t, byte(10+want)).PublicKey(), []byte("hello"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := <-done
		if s.err != nil || s.at != want || len(asked) != 1 || asked[0] != want {
			t.Fatalf("host %d answered and %v were asked, %v; want %d alone", s.at, asked, s.err, want)
		}
		if s.conn.Peer() != node(t, clientNode).PublicKey() {
			t.Error("the client is somebody else")
		}
		go client.Write([]byte("x"))
		if _, err := s.conn.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
	}
}

func TestNobodyAnswersForAnotherNode(t *testing.T) {
	for _, nodes := range [][]byte{{}, {10}, {10, 11}} {
		var asked []int
		near, done := serveHosts(t, hostsOf(t, &asked, nodes...))
		_, err := Client(t.Context(), near, node(t, clientNode), node(t, 12).PublicKey(), nil, Options{})
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%d hosts: Client = %v, want ErrRefused", len(nodes), err)
		}
		if s := <-done; !errors.Is(s.err, ErrUnauthenticated) || s.at != -1 || len(asked) > 0 {
			t.Errorf("%d hosts: ServerOf = %d, %v, and %v were asked", len(nodes), s.at, s.err, asked)
		}
	}
}

func TestTooManyHosts(t *testing.T) {
	_, done := serveHosts(t, make([]Host, MaxHosts+1))
	if s := <-done; s.err == nil {
		t.Error("there is no limit")
	}
}

// What a stranger's connection costs where many nodes answer.
func BenchmarkStranger(b *testing.B) {
	hosts := make([]Host, 100)
	for i := range hosts {
		hosts[i].Identity = node(b, byte(i))
	}
	for b.Loop() {
		near, far := net.Pipe()
		go func() {
			Client(b.Context(), near, node(b, 200), node(b, 201).PublicKey(), nil, Options{})
		}()
		if _, _, err := ServerOf(b.Context(), far, hosts, Options{}); err == nil {
			b.Fatal("a stranger was let in")
		}
	}
}
