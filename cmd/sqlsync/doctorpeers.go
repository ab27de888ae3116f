package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/replicate"
	"sqlsync/replicate/mesh"
)

// dialTime is how long a remote has to be there.
const dialTime = 2 * time.Second

// checkAddresses says where peers reach this node, and whether they can: at
// the addresses where serve listens, or listened last.
func (d *doctor) checkAddresses() {
	if !d.served && len(d.ex.Listening) == 0 {
		d.ok("addresses", "it does not listen: this node dials, and is not dialed")
		return
	}
	var reachedAt, trouble []string
	for _, addr := range d.ex.Listening {
		if err := d.checkPort(addr); err != nil {
			trouble = append(trouble, fmt.Sprintf("%s: %v", addr, err))
		}
		reachedAt = append(reachedAt, reach(addr)...)
	}
	where := "peers reach this node at " + strings.Join(reachedAt, ", ")
	switch {
	case len(d.ex.Listening) == 0:
		d.ok("addresses", "it is served without --listen: this node dials, and is not dialed")
	case len(trouble) > 0 && d.served:
		d.warn("addresses", "start serve again, and look at its log", "nobody answers where it is served: %s", strings.Join(trouble, "; "))
	case len(trouble) > 0:
		d.warn("addresses", "end the program that has the port, or choose another --listen", "where serve listened last, it cannot now: %s", strings.Join(trouble, "; "))
	case d.served && loopbackOnly(reachedAt):
		d.warn("addresses", "serve with --listen 0.0.0.0:PORT, unless peers come through a tunnel", "%s, which is this machine alone", where)
	case d.served:
		d.ok("addresses", "%s; a firewall in between has to let TCP in", where)
	default:
		d.ok("addresses", "where serve listened last, %s, the port is free", strings.Join(d.ex.Listening, ", "))
	}
}

// checkPort connects to an address that is served, or takes one that is not
// for a moment.
func (d *doctor) checkPort(addr string) error {
	if !d.served {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return mesh.WithoutAddr(err)
		}
		return l.Close()
	}
	ctx, cancel := context.WithTimeout(d.ctx, dialTime)
	defer cancel()
	var nd net.Dialer
	c, err := nd.DialContext(ctx, "tcp", addr) // an unspecified host is this machine
	if err != nil {
		return mesh.WithoutAddr(err)
	}
	return c.Close()
}

func loopbackOnly(addrs []string) bool {
	for _, addr := range addrs {
		if a, err := netip.ParseAddrPort(addr); err != nil || !a.Addr().IsLoopback() {
			return false
		}
	}
	return len(addrs) > 0
}

// reached is how a remote's address answered. skew is how far its clock is
// ahead of this machine's, where it was told.
type reached struct {
	err      error
	told     bool
	skew     time.Duration
	software string
}

func (d *doctor) checkRemotes() {
	if d.ex.IsNode && len(d.ex.Remotes) == 0 {
		d.warn("remotes", "sqlsync remote add NAME KEY, here and there", "no remote is known: nothing is exchanged")
	}
	answers := make([][]reached, len(d.ex.Remotes))
	var all sync.WaitGroup
	for i, r := range d.ex.Remotes {
		r.Addrs = r.Dialed(d.now)
		d.ex.Remotes[i] = r
		answers[i] = make([]reached, len(r.Addrs))
		for j, addr := range r.Addrs {
			all.Go(func() { answers[i][j] = d.reach(r, addr) })
		}
	}
	all.Wait()
	for i, r := range d.ex.Remotes {
		d.checkRemote(r, answers[i])
	}
}

func (d *doctor) checkRemote(r cdc.Remote, answers []reached) {
	name := "remote " + r.Name
	if r.Shut(d.now) != "" && !r.Disabled {
		d.warn(name, "sqlsync remote set "+r.Name+" --expires TIME, or remote remove", "it expired %s", r.Expires.Format(time.RFC3339))
		return
	}
	if r.Disabled {
		d.warn(name, shutRemedy(&r), "it is disabled")
		return
	}
	if len(r.Addrs) == 0 {
		d.ok(name, "without an address: it has to dial this node, which needs serve --listen")
		return
	}
	var failed []string
	remedy := "start sqlsync serve --listen there, and check the address, the network and the firewall"
	for j, a := range answers {
		if a.err == nil {
			d.ok(name, "%s answers%s%s", r.Addrs[j], ifTrue(d.id != nil, " and knows this node's key"), ifTrue(a.software != "", ", "+a.software))
			d.checkPeerClock(r.Name, a)
			return
		}
		if errors.Is(a.err, crypto.ErrRefused) {
			remedy = "run sqlsync remote add there with this node's key, and check the remote's key here"
		}
		failed = append(failed, fmt.Sprintf("%s: %v", r.Addrs[j], mesh.WithoutAddr(a.err)))
	}
	d.warn(name, remedy, "not reached within %v: %s", dialTime, strings.Join(failed, "; "))
}

// clockOff is how far a peer's clock may be off before people would notice:
// of two changes at the same time, the one with the faster clock stands.
const clockOff = 2 * time.Second

func (d *doctor) checkPeerClock(name string, a reached) {
	by, which := a.skew, "ahead of"
	if by < 0 {
		by, which = -by, "behind"
	}
	by = by.Round(time.Second)
	const remedy = "set both clocks, with NTP for example: of changes at the same time the one by the faster clock stands"
	switch {
	case !a.told:
	case by > cdc.DefaultMaxDrift:
		d.fail("clock of "+name, remedy, "it is %v %s this machine's: changes from the faster one wait for that long", by, which)
	case by > clockOff:
		d.warn("clock of "+name, remedy, "it is %v %s this machine's", by, which)
	default:
		d.ok("clock of "+name, "within %v of this machine's", clockOff)
	}
}

// reach connects, and where there is an identity to do it with, asks whether
// the peer takes it and what its clock says. What it may have it is not asked
// for.
func (d *doctor) reach(r cdc.Remote, addr string) (a reached) {
	ctx, cancel := context.WithTimeout(d.ctx, dialTime)
	defer cancel()
	var nd net.Dialer
	raw, err := nd.DialContext(ctx, "tcp", addr)
	if err != nil {
		return reached{err: err}
	}
	if d.id == nil {
		return reached{err: raw.Close()}
	}
	c, err := crypto.Client(ctx, raw, d.id, crypto.PublicKey(r.Key), d.id.Introduction(), crypto.Options{})
	if err != nil {
		return reached{err: err}
	}
	dataset := cdc.DefaultDataset
	if len(r.Datasets) > 0 {
		dataset = r.Datasets[0]
	}
	asked := time.Now()
	hello, err := replicate.Greet(ctx, c, dataset, "sqlsync "+version())
	if err != nil {
		return reached{} // it let us in; about the dataset its status has more
	}
	half := asked.Add(time.Since(asked) / 2)
	return reached{told: true, skew: hello.Now.Time().Sub(half), software: cell(cut(hello.Software, 100))}
}
