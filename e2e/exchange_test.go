package e2e_test

import (
	"strings"
	"testing"
)

// A node whose address is another than a peer was told is found by what a third
// says, which says nothing of a node that the peer does not know.
func TestPeerTellsWhereAnotherIs(t *testing.T) {
	dir := t.TempDir()
	a, b, c, d := newNode(t, dir, "a"), newNode(t, dir, "b"), newNode(t, dir, "c"), newNode(t, dir, "d")
	for _, n := range []*node{a, b, c, d} {
		n.must("init")
		n.sqlite(`CREATE TABLE items (id INTEGER PRIMARY KEY, v)`)
		n.must("watch", "items")
	}
	for _, n := range []*node{b, c, d} {
		introduce(a, n)
	}
	b.must("remote", "add", "c", c.key())
	dead := freeAddr(t)
	c.must("remote", "add", "b", b.key(), "--addr", dead)
	for _, n := range []*node{a, b, d, c} {
		n.serve()
	}
	state := func(n *node, name string) string {
		out := n.must("status")
		for _, line := range strings.Split(out, "\n") {
			if strings.HasPrefix(line, name+" ") {
				return line
			}
		}
		return out
	}
	waitFor(t, "c to find b", func() bool { return strings.Contains(state(c, "b"), "  connected") })
	if list := c.must("remote", "list"); !strings.Contains(list, "b says that it is at "+b.addr+", told by ") || strings.Contains(list, d.addr) {
		t.Errorf("c lists\n%s", list)
	}
	// It moves again.
	b.stop()
	b.addr = ""
	b.serve()
	waitFor(t, "c to find b where it is now", func() bool {
		return strings.Contains(c.must("remote", "list"), "b says that it is at "+b.addr) && strings.Contains(state(c, "b"), "  connected")
	})
	// Who does not want it is told nothing.
	c.stop()
	c.addr = "" // or b would dial it
	c.flags = []string{"--no-peer-exchange"}
	c.serve()
	waitFor(t, "c to dial b in vain", func() bool { return strings.Contains(c.must("status"), "b: dial "+dead) })
	if line := state(c, "b"); strings.Contains(line, "  connected") {
		t.Errorf("c has found b all the same: %s", line)
	}
}
