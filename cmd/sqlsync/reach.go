package main

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"sqlsync/replicate/mesh"
)

// maxReach is how many addresses of this machine go into a ticket; a QR code
// with more is hard to read.
const maxReach = 8

// reach returns where a listener on addr can be reached: addr itself, or the
// machine's addresses if it listens on all of them.
func reach(addr string) []string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil
	}
	ip, err := netip.ParseAddr(host)
	if err == nil && !ip.IsUnspecified() {
		return []string{addr}
	}
	local, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var list []string
	for _, ip := range reachable(local, ip.Is4()) {
		list = append(list, net.JoinHostPort(ip.String(), port))
	}
	return list
}

// reachOf says where a port is reached, nil for none.
func reachOf(p *mesh.Port) func() []string {
	if p == nil {
		return nil
	}
	return func() []string { return reach(p.Addr().String()) }
}

// reachable chooses from a machine's addresses those that others may reach, the
// likeliest first, and its loopback address where there is nothing else. only4 is
// for a listener on 0.0.0.0.
func reachable(local []net.Addr, only4 bool) []netip.Addr {
	var list, loopback []netip.Addr
	for _, a := range local {
		prefix, err := netip.ParsePrefix(a.String())
		ip := prefix.Addr().Unmap()
		switch {
		case err != nil, only4 && !ip.Is4(), ip.IsLinkLocalUnicast(): // the last needs a zone, which is the other machine's
		case ip.IsLoopback():
			loopback = append(loopback, ip)
		default:
			list = append(list, ip)
		}
	}
	if len(list) == 0 {
		list = loopback
	}
	rank := func(ip netip.Addr) int {
		switch {
		case ip.Is4() && ip.IsPrivate():
			return 0
		case ip.Is4():
			return 1
		case ip.IsPrivate():
			return 2
		}
		return 3
	}
	slices.SortStableFunc(list, func(a, b netip.Addr) int { return cmp.Compare(rank(a), rank(b)) })
	list = slices.Compact(list)
	return list[:min(len(list), maxReach)]
}
