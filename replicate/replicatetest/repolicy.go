package replicatetest

import (
	"sqlsync/cdc"
	"sqlsync/merge"
)

// policies are what the table shelf is merged by one after the other, in a world in
// which policies change. Where rows are merged whole, columns have none.
var policies = []cdc.WatchOptions{
	{Policy: "lww", Columns: shelf.Policies},
	{Policy: "lww", Columns: map[string]string{"n": "lww", "top": "counter", "doc": "lww", "tag": "lww"}},
	{Policy: "lww", Columns: map[string]string{"n": "lww", "top": "lww", "doc": "lww", "tag": "lww"}},
	{Policy: "row"},
	{Policy: "lww", Columns: map[string]string{"n": "max", "top": "counter", "doc": "json"}},
}

// Repolicy has a node merge the table shelf by the next policy, if all merge it
// by the same now or this one has not followed yet, and reports whether it does.
func (n *Node) Repolicy() bool {
	now, latest, behind := n.policy(), 0, false
	for _, o := range n.w.Nodes {
		latest = max(latest, o.policy())
	}
	for _, o := range n.w.Nodes {
		behind = behind || o.policy() < latest
	}
	if now == latest && (behind || latest+1 == len(policies)) {
		return false
	}
	n.w.repolicied, n.fuse = true, false
	n.FillDisk(false)
	if _, err := n.Seal(background); err != nil {
		n.w.tb.Errorf("node %d: %v", n.index, err)
	}
	if _, err := n.watched(n.w.names(), func() (merge.Vector, error) {
		list, err := n.store.Watch(background, []string{shelf.Name}, policies[now+1])
		if err == nil {
			err = list[0].Refused
		}
		return nil, err
	}); err != nil {
		n.w.tb.Errorf("node %d: watch: %v", n.index, err)
	}
	if n.w.policies == nil {
		n.w.policies = make(map[string]int)
	}
	n.w.policies[n.policyText()] = now + 1
	n.w.Note("policy %d %d", n.index, now+1)
	return true
}

// policy is by which of the policies the node merges.
func (n *Node) policy() int { return n.w.policies[n.policyText()] }

// policiesOf are those of a table's columns now.
func (n *Node) policiesOf(t *Table) map[string]string {
	if n.w.repolicied && t.Name == shelf.Name {
		return policies[n.policy()].Columns
	}
	return t.Policies
}

func (n *Node) policyText() (text string) {
	if err := n.app.QueryRowContext(background, `SELECT policy || coalesce(options, '') FROM sqlsync_table WHERE name = ?`, shelf.Name).Scan(&text); err != nil {
		n.w.tb.Errorf("node %d: %v", n.index, err)
	}
	return text
}

// Even reports whether all nodes merge by the same policies, and none has
// something to compare with those that it may ask.
func (w *World) Even(edges [][2]int) bool {
	for _, e := range edges {
		a, b := w.Nodes[e[0]], w.Nodes[e[1]]
		if a.policy() != b.policy() || a.unevenWith(b) || b.unevenWith(a) {
			return false
		}
	}
	return true
}

func (n *Node) unevenWith(o *Node) bool {
	offers, err := o.Stream.Offers(background)
	if err != nil {
		n.w.tb.Errorf("node %d: %v", o.index, err)
	}
	uneven, err := n.Stream.Uneven(background, o.id, offers)
	if err != nil {
		n.w.tb.Errorf("node %d: %v", n.index, err)
	}
	return uneven
}

// BecameUneven reports whether a table is to be compared anew since it was last
// called.
func (n *Node) BecameUneven() bool {
	before := n.uneven
	if err := n.app.QueryRowContext(background, `SELECT coalesce(sum(uneven), 0) FROM sqlsync_table`).Scan(&n.uneven); err != nil {
		n.w.tb.Errorf("node %d: %v", n.index, err)
	}
	return n.uneven != before
}
