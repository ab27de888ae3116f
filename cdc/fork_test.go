package cdc_test

import (
	"errors"
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// meet does what a session does for one side: it hears what the peer has, takes
// its batches, and its snapshot where the two have other ends of a chain.
func (n *node) meet(peer *node) (forked bool) {
	n.t.Helper()
	ctx := n.t.Context()
	to, from := n.Stream(cdc.DefaultDataset), peer.Stream(cdc.DefaultDataset)
	peer.seal()
	v, err := from.Vector(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	batches := n.asked(peer, cdc.DefaultDataset)
	confirmed := to.Confirm(ctx, peer.Node(), v)
	_, applied := to.Apply(ctx, peer.Node(), batches)
	for _, err := range []error{confirmed, applied} {
		switch {
		case errors.Is(err, wire.ErrForked):
			forked = true
		case errors.Is(err, wire.ErrGap): // it was jumped over: the peer is behind
			forked = true
		case err != nil:
			n.t.Fatal(err)
		}
	}
	if forked {
		n.takeFrom(peer)
	}
	return forked
}

// rejoin is meet, with a snapshot where a table is to be had from the peer's, or
// batches are not.
func (n *node) rejoin(peer *node) {
	n.t.Helper()
	n.meet(peer)
	offers, err := peer.stream().Offers(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	if needs, err := n.stream().Needs(n.t.Context(), offers); err != nil {
		n.t.Fatal(err)
	} else if needs || !n.vector().Covers(peer.vector()) {
		n.takeFrom(peer)
	}
}

// The two ends of a chain meet at a node that does not watch one of the tables.
// Who watches it knows that it lacks something, until it meets another who does.
func TestForkedChainBesidePartialInterest(t *testing.T) {
	open := func(seed byte) *node {
		path := t.TempDir() + "/n.db"
		o := renewing(seed, path)
		o.Witness = "" // no copy can notice
		return openNodeWith(t, seed, path, twoTables, o)
	}
	p, x, y, z := open(1), open(2), open(3), open(4)
	for _, n := range []*node{p, x, y} {
		n.watch(cdc.WatchOptions{}, "items", "other")
	}
	z.watch(cdc.WatchOptions{}, "items")
	z.knows(x)
	z.knows(y)
	p.exec(`INSERT INTO items (id, name) VALUES (1, 'shared'); INSERT INTO other VALUES (1, 'shared')`)
	p.seal()
	path := p.backup()
	o := renewing(1, path)
	o.Witness = ""
	q := openNodeWith(t, 1, path, "", o)
	for i := range 3 {
		p.exec(`INSERT INTO items (id, name) VALUES (?1, 'of p'); INSERT INTO other VALUES (?1, 'of p')`, 10+i)
		p.seal()
	}
	q.exec(`INSERT INTO items (id, name) VALUES (20, 'of q'); INSERT INTO other VALUES (20, 'of q'); UPDATE other SET v = 'of q' WHERE id = 1`)
	x.rejoin(q)
	y.rejoin(p)
	z.rejoin(y)
	for range 2 {
		x.rejoin(z)
		z.rejoin(x)
		y.rejoin(z)
	}
	for _, n := range []*node{x, y, z} {
		if got := n.text(`SELECT group_concat(id) FROM (SELECT id FROM items ORDER BY id)`); got != "1,10,11,12,20" {
			t.Errorf("of the table that all watch there are %s", got)
		}
	}
	if needs, err := x.stream().Needs(t.Context(), []wire.TableOffer{{Name: "other"}}); err != nil || !needs {
		t.Errorf("needs the other table: %v, %v", needs, err)
	}
	x.rejoin(y)
	y.rejoin(x)
	p.rejoin(y)
	for i, n := range []*node{x, y, p} {
		if got := n.text(`SELECT group_concat(id || v, ' ') FROM (SELECT * FROM other ORDER BY id)`); got != "1of q 10of p 11of p 12of p 20of q" {
			t.Errorf("node %d has %s", i, got)
		}
	}
}

func meetings(rounds int, pairs ...[2]*node) {
	for range rounds {
		for _, p := range pairs {
			p[0].meet(p[1])
			p[1].meet(p[0])
		}
	}
}

// Two copies of one file write under one identity, each heard by another node.
// When these meet, each finds the fork and says so, what others write goes on
// flowing, and in the end all nodes have all rows, also those who never met the
// other side.
func TestForkedChain(t *testing.T) {
	for name, writes := range map[string][2]int{"of different length": {3, 1}, "of equal length": {2, 2}} {
		t.Run(name, func(t *testing.T) {
			open := func(seed byte) *node {
				path := t.TempDir() + "/n.db"
				o := renewing(seed, path)
				o.Witness = "" // no copy can notice
				return openNodeWith(t, seed, path, items, o)
			}
			p, x, y, z := open(1), open(2), open(3), open(4)
			for _, n := range []*node{p, x, y, z} {
				n.watch(cdc.WatchOptions{}, "items")
			}
			p.exec(`INSERT INTO items (id, name) VALUES (1, 'shared'), (2, 'shared'), (3, 'shared')`)
			converge(t, p, x, y, z)
			path := p.backup()
			o := renewing(1, path)
			o.Witness = ""
			q := openNodeWith(t, 1, path, "", o)

			for i := range writes[0] {
				p.exec(`INSERT INTO items (id, name) VALUES (?, 'of p')`, 10+i)
				p.exec(`UPDATE items SET qty = qty + 1 WHERE id = 1`)
				p.seal()
			}
			for i := range writes[1] {
				q.exec(`INSERT INTO items (id, name) VALUES (?, 'of q')`, 20+i)
				q.exec(`UPDATE items SET note = 'of q' WHERE id = 2`)
				q.exec(`DELETE FROM items WHERE id = 3`)
				q.seal()
			}
			x.exec(`INSERT INTO items (id, name) VALUES (100, 'of x')`)
			y.exec(`INSERT INTO items (id, name) VALUES (200, 'of y')`)
			x.meet(p)
			y.meet(q)
			if forked := x.meet(y); !forked {
				// The shorter end cannot tell; the other side can.
				if !y.meet(x) {
					t.Fatal("nobody has found the fork")
				}
			}
			if got := x.text(`SELECT count(*) FROM items WHERE id IN (100, 200)`); got != "2" {
				t.Errorf("%s of 2 rows of other origins are there", got)
			}
			meetings(3, [2]*node{x, y}, [2]*node{z, x}, [2]*node{p, x}, [2]*node{q, y})
			nodes := []*node{p, q, x, y, z}
			for _, n := range nodes {
				n.exec(`UPDATE items SET qty = qty WHERE id = 1`) // and it goes on
			}
			p.exec(`INSERT INTO items (id, name) VALUES (30, 'p later')`)
			q.exec(`INSERT INTO items (id, name) VALUES (31, 'q later')`)
			meetings(3, [2]*node{p, x}, [2]*node{q, y}, [2]*node{x, y}, [2]*node{z, x})
			want := p.digest()["items"]
			for i, n := range nodes {
				if got := n.digest()["items"]; got != want {
					t.Errorf("node %d has %s", i, n.text(`SELECT group_concat(id || ' ' || name || ' ' || qty || ' ' || coalesce(note, '-'), ', ') FROM (SELECT * FROM items ORDER BY id)`))
				}
			}
			if got := z.text(`SELECT count(*) FROM items WHERE id IN (10, 20, 30, 31) AND (SELECT note FROM items WHERE id = 2) = 'of q'`); got != "4" {
				t.Errorf("%s of 4 rows are there", got)
			}
			if q.Author() == p.Author() {
				t.Error("both copies still write as one author")
			}
			forks, err := x.Forks(t.Context())
			if err != nil || len(forks) != 1 || forks[0].Origin != p.Node() || forks[0].Merged.IsZero() {
				t.Errorf("forks of x: %+v, %v", forks, err)
			}
		})
	}
}
