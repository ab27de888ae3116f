package replicatetest

import (
	"errors"
	"fmt"
	"maps"

	"sqlsync/cdc"
	"sqlsync/merge"
)

// ID is the node's identity.
func (n *Node) ID() merge.NodeID { return n.id }

// LoseKey makes the database a node of its own, as is done where its key file is
// lost: rows, batches and what is pending stay.
func (n *Node) LoseKey() {
	if err := n.close(); err != nil {
		n.w.tb.Errorf("node %d: close: %v", n.index, err)
	}
	n.keys++
	n.backup = "" // which is the former's
	n.id = merge.NodeID{byte(n.index + 1), byte(n.keys)}
	n.enter()
	if err := cdc.Reidentify(background, n.path, n.id); err != nil {
		n.w.tb.Fatalf("node %d: %v", n.index, err)
	}
	n.open()
	n.look(false)
	n.w.Note("key %d %v", n.index, n.id)
}

// CopyKind is what becomes of a file that is copied.
type CopyKind int

const (
	// Noticed is a copy with its key that is opened without its witness.
	Noticed CopyKind = iota
	// Unnoticed is one that has all that its file has, such as a machine that was
	// cloned.
	Unnoticed
	// Keyless is a copy without its key, which is made a node of its own.
	Keyless
)

// Clone adds a node that has a copy of another's file. Both go on.
func (w *World) Clone(n *Node, kind CopyKind) *Node {
	c := w.newNode(len(w.Nodes), n.clock.world)
	c.id = n.id
	maps.Copy(c.watches, n.watches)
	c.path = c.newPath()
	c.copyFile(c.path, n.path)
	c.unattested = kind == Unnoticed
	w.forked = w.forked || c.unattested
	c.open()
	c.look(true)
	w.Nodes = append(w.Nodes, c)
	w.Note("clone %d of %d %d", c.index, n.index, kind)
	if kind == Keyless {
		c.LoseKey()
	}
	return c
}

// Acquaint makes nodes each other's remotes by the keys that they have now.
func (w *World) Acquaint(a, b *Node) {
	for _, p := range [][2]*Node{{a, b}, {b, a}} {
		n, o := p[0], p[1]
		n.FillDisk(false)
		n.enter()
		if err := n.guarded(func() error { return n.store.Readmit(background, o.id) }); err != nil {
			w.tb.Errorf("node %d: %v", n.index, err)
		}
		list, err := n.store.Remotes(background)
		if err != nil {
			w.tb.Errorf("node %d: %v", n.index, err)
		}
		known := false
		for _, r := range list {
			known = known || r.Key == o.id
		}
		if known || o.id == n.id {
			continue
		}
		if err := n.store.AddRemote(background, cdc.Remote{Name: o.remoteName(), Key: o.id, Pull: true, Push: true}); err != nil {
			w.tb.Errorf("node %d: %v", n.index, err)
		}
	}
}

// remoteName is what others call it, as long as it has its key.
func (n *Node) remoteName() string { return fmt.Sprintf("n%x", n.id[:2]) }

// Ban removes a remote in an emergency, if it is one.
func (n *Node) Ban(o *Node) {
	n.FillDisk(false)
	n.enter()
	if err := n.store.BanRemote(background, o.remoteName()); err != nil && !errors.Is(err, cdc.ErrNoRemote) {
		n.w.tb.Errorf("node %d: %v", n.index, err)
	}
	n.w.Note("ban %d %d", n.index, o.index)
}
