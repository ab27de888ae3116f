package cdc_test

import (
	"errors"
	"testing"
	"time"

	"sqlsync/cdc"
)

// stale makes three nodes of which the third misses that rows were deleted, what
// is known of that included, and writes to one of them.
func stale(t *testing.T) (a, b, c *node) {
	a, b, c = newNode(t, 1, items), newNode(t, 2, items), newNode(t, 3, items)
	for _, n := range []*node{a, b, c} {
		n.watch(cdc.WatchOptions{}, "items")
	}
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four')`)
	c.exec(`INSERT INTO items (id, name) VALUES (5, 'five')`)
	converge(t, a, b, c)
	// It knows that its own row was on others.
	if err := c.AddRemote(t.Context(), cdc.Remote{Name: "a", Key: a.Node(), Pull: true, Push: true}); err != nil {
		t.Fatal(err)
	}
	stream := c.Stream(cdc.DefaultDataset)
	v, err := stream.Vector(t.Context())
	if err == nil {
		err = stream.Confirm(t.Context(), a.Node(), v)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.seal()
	b.exec(`DELETE FROM items WHERE id IN (1, 2, 5)`)
	exchange(a, b)
	for _, n := range []*node{a, b} {
		if p := n.prune(); p.Batches == 0 || p.Tombstones != 3 {
			t.Fatalf("pruned %+v", p)
		}
	}
	c.exec(`UPDATE items SET name = 'uno' WHERE id = 1; UPDATE items SET name = 'tre' WHERE id = 3; INSERT INTO items (id, name) VALUES (6, 'six')`)
	c.seal()
	return a, b, c
}

// Whatever comes first when a peer returns that was away for too long, nothing
// comes back that was deleted, and what it wrote elsewhere counts.
func TestNothingComesBackThroughAStalePeer(t *testing.T) {
	for name, meet := range map[string]func(a, b, c *node){
		"it is told first":  func(a, b, c *node) { c.takeFrom(a); a.pull(c); b.pull(a) },
		"it tells first":    func(a, b, c *node) { a.pull(c); c.takeFrom(a); b.pull(a) },
		"by way of another": func(a, b, c *node) { b.pull(c); a.pull(b); c.takeFrom(a) },
		"its rows are taken": func(a, b, c *node) {
			a.takeFrom(c)
			c.takeFrom(a)
			b.pull(a)
		},
		"a new node took its rows": func(a, b, c *node) {
			d := newNode(c.t, 4, items)
			d.watch(cdc.WatchOptions{}, "items")
			c.prune()
			d.takeFrom(c)
			a.takeFrom(d)
			d.takeFrom(a)
			c.takeFrom(a)
			b.takeFrom(a) // which has no batches of it
			converge(c.t, a, d)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b, c := stale(t)
			meet(a, b, c)
			converge(t, a, b, c)
			for _, n := range []*node{a, b, c} {
				if got := n.text(`SELECT group_concat(id || name, ' ') FROM (SELECT * FROM items ORDER BY id)`); got != "3tre 4four 6six" {
					t.Errorf("rows are %s", got)
				}
			}
		})
	}
}

// Who keeps a dataset from being pruned is told, until it may be away no longer.
func TestBlocked(t *testing.T) {
	now := time.Now()
	n := openNodeAt(t, 1, t.TempDir()+"/app.db", items, func() time.Time { return now })
	n.watch(cdc.WatchOptions{}, "items")
	for i, name := range []string{"one", "reader", "other"} {
		r := keyed(byte(7 + i))
		r.Name, r.Pull, r.Push = name, true, name != "reader"
		if name == "other" {
			r.Datasets = []string{"logs"}
		}
		if err := n.AddRemote(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	n.exec(`INSERT INTO items (id) VALUES (1)`)
	n.seal()
	blocked := func(want int) {
		t.Helper()
		list, err := n.Blocked(t.Context())
		if err != nil || len(list) != want || want > 0 && (list[0].Remote != "one" || list[0].Batches != 1) {
			t.Errorf("after %v: %+v, %v", time.Until(now), list, err)
		}
	}
	blocked(0)
	size := int64(1)
	n.set(cdc.DefaultDataset, cdc.DatasetChange{RetentionBytes: &size})
	blocked(1)
	size = 0
	n.set(cdc.DefaultDataset, cdc.DatasetChange{RetentionBytes: &size})
	blocked(0)
	now = now.Add(cdc.DefaultRetention + time.Hour)
	blocked(1)
	now = now.Add(cdc.DefaultMaxOffline)
	blocked(0)
}

// A key that was removed in an emergency is let in by nobody's mistake.
func TestBannedRemote(t *testing.T) {
	n := newNode(t, 1, ``)
	r := keyed(1)
	if err := n.AddRemote(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := n.BanRemote(t.Context(), r.Name); err != nil {
		t.Fatal(err)
	}
	if err := n.AddRemote(t.Context(), r); !errors.Is(err, cdc.ErrBanned) {
		t.Errorf("added: %v", err)
	}
	n.invite([32]byte{1}, cdc.Invitation{Expires: time.Now().Add(time.Hour)})
	if _, err := n.Redeem(t.Context(), [32]byte{1}, r); !errors.Is(err, cdc.ErrBanned) {
		t.Errorf("let in by a ticket: %v", err)
	}
	if err := n.BanRemote(t.Context(), "nobody"); !errors.Is(err, cdc.ErrNoRemote) {
		t.Errorf("banned nobody: %v", err)
	}
	if err := n.Readmit(t.Context(), r.Key); err != nil {
		t.Fatal(err)
	}
	if err := n.AddRemote(t.Context(), r); err != nil {
		t.Error(err)
	}
}
