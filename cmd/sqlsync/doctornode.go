package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"sqlsync/cdc"
	"sqlsync/crypto"
	"sqlsync/merge"
	"sqlsync/replicate/mesh"
	"sqlsync/schema"
)

func (d *doctor) checkKey() {
	id, err := d.unlock()
	switch {
	case missing(err) && !d.ex.IsNode:
		d.ok("key", "none yet: sqlsync init or watch makes it")
	case missing(err):
		d.fail("key", "put the key file back beside the database; for a copy, or where the key is lost: sqlsync --db "+d.path+" key new --yes",
			"%s is missing", mesh.KeyPath(d.path))
	case errors.Is(err, crypto.ErrProtected):
		d.ok("key", "protected by a passphrase; with $%s set, it and the remotes are looked at more closely", passphraseEnv)
	case err != nil:
		d.failErr("key", err)
	case d.ex.IsNode && merge.NodeID(id.PublicKey()) != d.ex.Node:
		d.failErr("key", cdc.ErrIdentity)
	default:
		d.id = id
		d.ok("key", "%s", id.PublicKey())
	}
}

// unlock asks nobody for a passphrase.
func (d *doctor) unlock() (*crypto.Identity, error) {
	id, err := crypto.LoadIdentity(mesh.KeyPath(d.path))
	if p := os.Getenv(passphraseEnv); errors.Is(err, crypto.ErrProtected) && p != "" {
		return crypto.UnlockIdentity(mesh.KeyPath(d.path), func() (string, error) { return p, nil })
	}
	return id, err
}

func (d *doctor) checkService() {
	d.served = mesh.Served(d.path)
	if !d.served {
		d.ok("service", "not being served")
		return
	}
	by := ""
	if pid := lockHolder(mesh.LockPath(d.path)); pid != 0 {
		by = fmt.Sprintf(" by process %d", pid)
	}
	d.ok("service", "being served%s", by)
	for _, t := range readTroubles(d.path) {
		d.fail("service", t.Remedy, "it cannot %s since %s: %s", t.What, t.Since, t.Error)
	}
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
	for _, t := range d.ex.Tables {
		name := "table " + t.Name
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
			d.warn(name, "sqlsync watch "+t.Name+" --ids rekey"+ifTrue(t.CanRange, ", or --ids range")+", on every node; no need where one node only inserts",
				"watched in %s; two nodes that insert give the same id to different rows", t.Dataset)
		case t.Watched:
			d.ok(name, "watched in %s%s", t.Dataset, needless(t.Function))
		default:
			d.ok(name, "not watched; it can be%s", needless(t.Function))
		}
	}
	switch {
	case !d.ex.IsNode || d.ex.Watched() > 0:
	case d.ex.Passes:
		d.ok("tables", "no table is watched; what remotes have is passed on")
	default:
		d.warn("tables", "sqlsync watch --all, or watch TABLE…; on a new replica, sqlsync clone", "no table is watched")
	}
}

// checkCapture looks at the triggers of watched tables.
func (d *doctor) checkCapture() {
	names := make(map[string][]string)
	for _, f := range d.ex.Capture {
		names[f.Table] = append(names[f.Table], f.Detail)
	}
	for _, table := range slices.Sorted(maps.Keys(names)) {
		d.warn("triggers of "+table, "sqlsync repair "+table+" puts capture back and seals what it missed", "%s", strings.Join(names[table], "; "))
	}
	if n := d.ex.Watched(); n > 0 && len(names) == 0 {
		d.ok("triggers", "capture of %s is as it should be", countOf(int64(n), "table"))
	}
}

// checkImports looks for snapshot files that were taken in part.
func (d *doctor) checkImports() {
	for _, i := range d.ex.Imports {
		d.warn("import into "+i.Dataset, importRemedy(i), "only a part of %s is in it: its import was broken off", cell(i.File))
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
