package mesh

import (
	"net"
	"net/netip"
	"sync"
)

const (
	// lobbySize is how many connections may be in the handshake.
	lobbySize = 64
	// lobbyMost counts those too that were sent off and have not ended yet.
	lobbyMost = 4 * lobbySize
)

// lobby are the connections that have proved no key yet. When it is full, the
// oldest from where the most are gives way: a handshake takes milliseconds, so
// whoever fills the lobby pushes out itself, and nobody who means it.
type lobby struct {
	mu     sync.Mutex
	guests []*guest // the oldest first
	all    int      // the guests and those sent off
}

type guest struct {
	conn net.Conn
	from netip.Prefix
}

// enter makes room for a connection; it reports false if it is to be closed.
// leave is called once, when it has proved a key or ended.
func (l *lobby) enter(c net.Conn) (leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= lobbyMost {
		return nil, false
	}
	if len(l.guests) >= lobbySize {
		l.remove(l.crowd()).conn.Close()
	}
	g := &guest{c, sourceOf(c.RemoteAddr())}
	l.guests = append(l.guests, g)
	l.all++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all--
		for i := range l.guests {
			if l.guests[i] == g {
				l.remove(i)
				return
			}
		}
	}), true
}

func (l *lobby) remove(i int) *guest {
	g := l.guests[i]
	copy(l.guests[i:], l.guests[i+1:])
	l.guests[len(l.guests)-1] = nil
	l.guests = l.guests[:len(l.guests)-1]
	return g
}

// crowd is the place of the oldest guest from where the most are.
func (l *lobby) crowd() (oldest int) {
	count := make(map[netip.Prefix]int)
	for _, g := range l.guests {
		count[g.from]++
	}
	for i := len(l.guests) - 1; i >= 0; i-- {
		if count[l.guests[i].from] >= count[l.guests[oldest].from] {
			oldest = i
		}
	}
	return oldest
}

// sourceOf is what one party has for sure: an IPv4 address, or the 64 bits of an
// IPv6 address that a network has.
func sourceOf(a net.Addr) netip.Prefix {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := ap.Addr().Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, _ := ip.Prefix(bits) // both have as many
	return p
}
