package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/ipv4"
)

// discoverAt is where announcements go: an address of the block that stays
// within an organization (RFC 2365), and sqlsync's usual port, for UDP.
var discoverAt = &net.UDPAddr{IP: net.IPv4(239, 255, 71, 17), Port: 7117}

// multicast is the air of the local networks that this machine is in.
type multicast struct {
	*net.UDPConn
	p *ipv4.PacketConn
}

func openMulticast(ctx context.Context) (*multicast, error) {
	listen := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) { err = reuse(fd) }), err)
	}}
	c, err := listen.ListenPacket(ctx, "udp4", fmt.Sprintf(":%d", discoverAt.Port))
	if err != nil {
		return nil, fmt.Errorf("listen on UDP port %d: %w", discoverAt.Port, WithoutAddr(err))
	}
	m := &multicast{c.(*net.UDPConn), ipv4.NewPacketConn(c)}
	// So that serves on one machine hear each other; and no further than one hop.
	if err := errors.Join(m.p.SetMulticastLoopback(true), m.p.SetMulticastTTL(1)); err != nil {
		c.Close()
		return nil, fmt.Errorf("set up UDP port %d: %w", discoverAt.Port, err)
	}
	return m, nil
}

// join takes part in every network there is by now.
func (m *multicast) join() (list []net.Interface) {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, ifi := range all {
		if ifi.Flags&net.FlagUp != 0 && ifi.Flags&net.FlagMulticast != 0 && ifi.Flags&net.FlagPointToPoint == 0 {
			m.p.JoinGroup(&ifi, discoverAt) // an error says that it has joined already, mostly
			list = append(list, ifi)
		}
	}
	return list
}

// Send implements air. It fails if nothing could be sent in any network.
func (m *multicast) Send(packets [][]byte) error {
	err := errors.New("no network to announce in")
	sent := len(packets) == 0
	for _, ifi := range m.join() {
		if serr := m.p.SetMulticastInterface(&ifi); serr != nil {
			err = serr
			continue
		}
		for _, packet := range packets {
			if _, serr := m.WriteTo(packet, discoverAt); serr != nil {
				err = WithoutAddr(serr)
				continue
			}
			sent = true
		}
	}
	if sent {
		return nil
	}
	return err
}

// Receive implements air. What is longer than the packet is cut.
func (m *multicast) Receive(packet []byte) (int, netip.Addr, error) {
	n, from, err := m.ReadFromUDPAddrPort(packet)
	return n, from.Addr().Unmap(), err
}
