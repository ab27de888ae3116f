package mesh

import (
	"net"
	"net/netip"
	"testing"
)

// guestConn is a connection from somewhere.
type guestConn struct {
	net.Conn
	from   netip.AddrPort
	closed bool
}

func (c *guestConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.from) }
func (c *guestConn) Close() error         { c.closed = true; return nil }

// One address that fills the lobby pushes out its own.
func TestLobbyGivesWayWhereTheMostAre(t *testing.T) {
	var l lobby
	enter := func(from string) *guestConn {
		c := &guestConn{from: netip.MustParseAddrPort(from)}
		if _, ok := l.enter(c); !ok {
			t.Fatalf("%s did not get in", from)
		}
		return c
	}
	first := enter("192.0.2.1:1")
	var crowd []*guestConn
	for i := range lobbySize + 20 {
		from := "198.51.100.7:5"
		if i%2 > 0 {
			from = "[::ffff:198.51.100.7]:6" // the same
		}
		crowd = append(crowd, enter(from))
	}
	second := enter("[2001:db8::1]:1")
	third := enter("[2001:db8::2]:1") // of the same network as the second
	if first.closed || second.closed || third.closed {
		t.Error("the others suffer")
	}
	for i, c := range crowd {
		if old := i < 23; c.closed != old {
			t.Errorf("%d: closed %v", i, c.closed)
		}
	}
	if len(l.guests) != lobbySize {
		t.Errorf("%d guests", len(l.guests))
	}
}

// Who was sent off and has not ended yet counts, and whoever leaves makes room.
func TestLobbyIsBounded(t *testing.T) {
	var l lobby
	var leave []func()
	for range lobbyMost {
		f, ok := l.enter(&guestConn{from: netip.MustParseAddrPort("192.0.2.1:1")})
		if !ok {
			t.Fatal("full too early")
		}
		leave = append(leave, f)
	}
	if _, ok := l.enter(&guestConn{}); ok {
		t.Error("no bound")
	}
	for _, f := range leave {
		f()
		f()
	}
	if l.all != 0 || len(l.guests) != 0 {
		t.Errorf("%d, %d left", l.all, len(l.guests))
	}
}
