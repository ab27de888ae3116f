package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/schema"
)

func (d *doctor) checkKey() {
	id, err := crypto.LoadIdentity(keyPath(d.path))
	switch {
	case missing(err) && !d.ex.IsNode:
		d.ok("key", "none yet: sqlsync init or watch makes it")
	case missing(err):
		d.fail("key", "put the key file back beside the database; for a copy, or where the key is lost: sqlsync --db "+d.path+" key new --yes",
			"%s is missing", keyPath(d.path))
	case err != nil:
		d.failErr("key", err)
	case d.ex.IsNode && merge.NodeID(id.PublicKey()) != d.ex.Node:
		d.failErr("key", cdc.ErrIdentity)
	default:
		d.id = id
		d.ok("key", "%s", id.PublicKey())
	}
}

func (d *doctor) checkService() {
	lock := d.path + "-sqlsync.lock"
	if _, err := os.Stat(lock); err != nil || !served(d.path) {
		d.ok("service", "not being served")
		return
	}
	by := ""
	if pid := lockHolder(lock); pid != 0 {
		by = fmt.Sprintf(" by process %d", pid)
	}
	d.ok("service", "being served%s", by)
}

// longAgo is before this program was written.
var longAgo = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

func (d *doctor) checkClock() {
	last := d.ex.HLC.Time()
	switch behind := last.Sub(d.now); {
	case d.now.Before(longAgo):
		d.fail("clock", "set this machine's clock", "this machine's clock says %s", d.now.UTC().Format(time.RFC3339))
	case d.ex.HLC != 0 && behind > cdc.DefaultMaxDrift:
		d.warn("clock", "set the clocks of this machine and its peers; until then the order of changes follows the file's clock",
			"this machine's clock is %v behind the database's last change (%s)", behind.Round(time.Second), last.Format(time.RFC3339))
	default:
		d.ok("clock", "%s", d.now.UTC().Format(time.RFC3339))
	}
}

func (d *doctor) checkTables() {
	watched := 0
	for _, t := range d.ex.Tables {
		name := "table " + t.Name
		if t.Watched {
			watched++
		}
		switch {
		case t.Watched && t.Refused != nil:
			d.fail(name, remedyOf(t.Refused), "it is watched and waits: %s", causeOf(t.Refused))
		case t.Watched && t.Waiting != "":
			d.fail(name, "watch it in the same way on all nodes", "it is watched and waits: %s", t.Waiting)
		case t.Refused != nil && t.Virtual:
			d.ok(name, "not watched: %s", causeOf(t.Refused))
		case t.Refused != nil:
			d.warn(name, remedyOf(t.Refused), "refused: %s", causeOf(t.Refused))
		case t.SharedIDs:
			d.warn(name, "sqlsync watch "+t.Name+" --ids rekey"+ifTrue(t.CanRange, ", or --ids range")+"; no need where one node only inserts",
				"watched in %s; two nodes that insert give the same id to different rows", t.Dataset)
		case t.Watched:
			d.ok(name, "watched in %s%s", t.Dataset, needless(t.Function))
		default:
			d.ok(name, "not watched; it can be%s", needless(t.Function))
		}
	}
	if d.ex.IsNode && watched == 0 {
		d.warn("tables", "sqlsync watch --all, or watch TABLE…; on a new replica, sqlsync clone", "no table is watched")
	}
}

func needless(function string) string {
	return ifTrue(function != "", "; a trigger calls "+function+", which only the application has, and nobody needs it here")
}

func ifTrue(b bool, s string) string {
	if b {
		return s
	}
	return ""
}

// causeOf leaves out the table's name, which is there already.
func causeOf(err error) string {
	if r := (*schema.Refusal)(nil); errors.As(err, &r) {
		return r.Cause
	}
	return err.Error()
}

func remedyOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// dialTime is how long a remote has to be there.
const dialTime = 2 * time.Second

func (d *doctor) checkRemotes() {
	if d.ex.IsNode && len(d.ex.Remotes) == 0 {
		d.warn("remotes", "sqlsync remote add NAME KEY, here and there", "no remote is known: nothing is exchanged")
	}
	reached := make([][]error, len(d.ex.Remotes))
	var all sync.WaitGroup
	for i, r := range d.ex.Remotes {
		reached[i] = make([]error, len(r.Addrs))
		for j, addr := range r.Addrs {
			all.Go(func() { reached[i][j] = d.reach(r.Key, addr) })
		}
	}
	all.Wait()
	for i, r := range d.ex.Remotes {
		d.checkRemote(r, reached[i])
	}
}

func (d *doctor) checkRemote(r cdc.Remote, reached []error) {
	name := "remote " + r.Name
	if len(r.Addrs) == 0 {
		d.ok(name, "without an address: it has to dial this node, which needs serve --listen")
		return
	}
	var failed []string
	remedy := "start sqlsync serve --listen there, and check the address, the network and the firewall"
	for j, err := range reached {
		if err == nil {
			d.ok(name, "%s answers%s", r.Addrs[j], ifTrue(d.id != nil, " and knows this node's key"))
			return
		}
		if errors.Is(err, crypto.ErrRefused) {
			remedy = "run sqlsync remote add there with this node's key, and check the remote's key here"
		}
		failed = append(failed, fmt.Sprintf("%s: %v", r.Addrs[j], err))
	}
	d.warn(name, remedy, "not reached within %v: %s", dialTime, strings.Join(failed, "; "))
}

// reach connects, and where there is an identity to do it with, asks whether
// the peer takes it. No session is begun.
func (d *doctor) reach(peer merge.NodeID, addr string) error {
	ctx, cancel := context.WithTimeout(d.ctx, dialTime)
	defer cancel()
	var nd net.Dialer
	raw, err := nd.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	if d.id == nil {
		return raw.Close()
	}
	c, err := crypto.Client(ctx, raw, d.id, crypto.PublicKey(peer), nil, crypto.Options{})
	if err != nil {
		return err
	}
	return c.Close()
}
