package mesh

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/replicate"
)

const (
	// announceEvery spaces the announcements of a node; the first few follow each
	// other sooner, for packets get lost.
	announceEvery = 15 * time.Second
	announceSoon  = time.Second
	announceFirst = 6
	// seenFor is how long an announcement is worth a try.
	seenFor = 4 * announceEvery
	// seenEvery is how often an announcement of one node counts.
	seenEvery = 5 * time.Second
	// announcedWithin is how far the clocks of two nodes may differ; what is
	// older was recorded and is said again.
	announcedWithin = 10 * time.Minute
	// heardMost bounds the packets that are looked at in a second: each costs a
	// hash per remote.
	heardMost = 200
)

// air is where announcements go and come from. One goroutine may send and
// another receive. It finds networks that come later whenever it is to send,
// be it nothing.
type air interface {
	Send(packets [][]byte) error
	// Receive waits for a packet, and gives its length and where it came from.
	Receive(packet []byte) (n int, from netip.Addr, err error)
	Close() error
}

// Discovery announces the databases that are served to the local network, and
// tells them where their remotes announce themselves.
type Discovery struct {
	air air
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	members map[*Member]uint16 // the port it is reached at, 0 if it is not
	seen    map[merge.NodeID]sighted
	came    chan struct{} // has a place: a database was added
}

// sighted is what was heard of a remote last.
type sighted struct {
	at, made time.Time
}

// OpenDiscovery takes part in the local network's announcements. Log may be nil.
func OpenDiscovery(ctx context.Context, log *slog.Logger) (*Discovery, error) {
	a, err := openMulticast(ctx)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return newDiscovery(a, log), nil
}

func newDiscovery(a air, log *slog.Logger) *Discovery {
	return &Discovery{
		air: a, log: log, now: time.Now,
		members: make(map[*Member]uint16), seen: make(map[merge.NodeID]sighted), came: make(chan struct{}, 1),
	}
}

// Add announces a database, if it is reached at a port; remove ends that. Both do
// nothing where there is no Discovery.
func (d *Discovery) Add(m *Member, p *Port) (remove func()) {
	if d == nil || m.respondOnly && p == nil {
		return func() {}
	}
	var n uint16
	if p != nil {
		if ap, err := netip.ParseAddrPort(p.Addr().String()); err == nil {
			n = ap.Port()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.members[m] = n
	select {
	case d.came <- struct{}{}:
	default:
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.members, m)
	}
}

// Run announces and listens until ctx ends.
func (d *Discovery) Run(ctx context.Context) {
	if d == nil {
		return
	}
	var all sync.WaitGroup
	all.Go(func() { d.listen(ctx) })
	d.announce(ctx)
	d.air.Close()
	all.Wait()
}

func (d *Discovery) announce(ctx context.Context) {
	for n := 0; ; n++ {
		if err := d.air.Send(d.packets()); err != nil {
			d.log.Debug("cannot announce for now", "err", err)
		}
		pause := announceEvery
		if n < announceFirst {
			pause = announceSoon
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-d.came:
			n = 0
		case <-timer.C:
		}
		timer.Stop()
	}
}

// packets are an announcement of every database that is reached.
func (d *Discovery) packets() (list [][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for m, port := range d.members {
		if port > 0 {
			list = append(list, m.Identity.Announce(crypto.Announcement{Time: d.now(), Port: port}))
		}
	}
	return list
}

func (d *Discovery) listen(ctx context.Context) {
	packet := make([]byte, 2*crypto.AnnouncementLen)
	begun, heard := d.now(), 0
	for {
		n, from, err := d.air.Receive(packet)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			d.log.Debug("cannot listen for announcements for now", "err", err)
			replicate.Wait(ctx, time.Second)
			continue
		}
		if now := d.now(); now.Sub(begun) >= time.Second {
			begun, heard = now, 0
		}
		if heard++; heard <= heardMost {
			d.hear(packet[:n], from)
		}
	}
}

// hear takes an announcement of a remote's. Whatever else it is costs a hash.
func (d *Discovery) hear(packet []byte, from netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var peer merge.NodeID
	var of []*Member
	var said crypto.Announcement
	for m := range d.members {
		if m.respondOnly {
			continue
		}
		for _, p := range m.Node.Keys() {
			if a, ok := crypto.PublicKey(p).Announced(packet); ok && a.Port > 0 {
				peer, said, of = p, a, append(of, m)
			}
		}
	}
	if len(of) == 0 || !d.fresh(peer, said.Time) {
		return
	}
	for _, m := range of {
		m.Node.Seen(peer, net.JoinHostPort(from.String(), strconv.Itoa(int(said.Port))), seenFor)
	}
}

// fresh reports whether an announcement was made lately, was not heard before
// and does not come too soon. d.mu is held.
func (d *Discovery) fresh(peer merge.NodeID, made time.Time) bool {
	now, last := d.now(), d.seen[peer]
	ago := now.Sub(last.at)
	if now.Sub(made).Abs() > announcedWithin || ago < seenEvery || ago < seenFor && !made.After(last.made) {
		return false
	}
	d.seen[peer] = sighted{now, made}
	return true
}
