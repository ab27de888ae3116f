package cdc_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sqlsync/cdc"
)

const plain = `CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)`

// lacking are the columns that status says are not here.
func (n *node) lacking() string {
	n.t.Helper()
	st, err := n.Status(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return strings.Join(st.Lacking, ",")
}

func (n *node) batches() string {
	n.t.Helper()
	return n.text(`SELECT count(*) FROM sqlsync_batch`)
}

// A column that one node has and another not keeps the batches with its values;
// once all remotes have dropped it, it keeps nothing and nobody is told of it.
func TestColumnThatEverybodyHasDropped(t *testing.T) {
	a, b := pair(t, plain, "p")
	a.knows(b)
	b.knows(a)
	a.exec(`ALTER TABLE p ADD COLUMN ean TEXT; INSERT INTO p VALUES (1, 'tea', '4001')`)
	b.greet(a)
	b.meet(a)
	a.meet(b)
	if p := b.prune(); p.Batches != 0 || b.lacking() != "p.ean" {
		t.Errorf("pruned %d batches, lacking %s", p.Batches, b.lacking())
	}
	a.exec(`ALTER TABLE p DROP COLUMN ean`)
	a.exec(`INSERT INTO p VALUES (2, 'rice')`)
	b.greet(a)
	meetings(1, [2]*node{a, b})
	if got := b.lacking(); got != "" {
		t.Errorf("still lacking %s", got)
	}
	b.prune()
	if got := b.batches(); got != "0" {
		t.Errorf("%s batches are kept", got)
	}
	// It comes again: what is written to it now lands, once it is here too.
	a.exec(`ALTER TABLE p ADD COLUMN ean TEXT; UPDATE p SET ean = '4002' WHERE id = 2; INSERT INTO p VALUES (3, 'oil', '4003')`)
	b.greet(a)
	if got := b.lacking(); got != "p.ean" {
		t.Errorf("lacking %q, want p.ean", got)
	}
	b.exec(`ALTER TABLE p ADD COLUMN ean TEXT`)
	b.seal()
	b.rejoin(a)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(id || coalesce(ean, '-'), ' ') FROM p`); got != "1- 24002 34003" {
		t.Errorf("rows are %s", got)
	}
}

// A column that stays on another node keeps batches for as long as a remote would;
// when it comes after that, its values come from the peer, those of rows that are
// otherwise the same as well.
func TestColumnThatComesAfterALongTime(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	dir := t.TempDir()
	a, b := openNodeAt(t, 1, filepath.Join(dir, "a.db"), plain, clock), openNodeAt(t, 2, filepath.Join(dir, "b.db"), plain, clock)
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{}, "p")
	}
	a.knows(b)
	b.knows(a)
	a.exec(`INSERT INTO p VALUES (1, 'tea'), (2, 'rice')`)
	converge(t, a, b)
	a.exec(`ALTER TABLE p ADD COLUMN ean TEXT; UPDATE p SET ean = '4001' WHERE id = 1; INSERT INTO p VALUES (3, 'oil', '4003')`)
	b.greet(a)
	var kept []string
	for range 3 {
		now = now.Add(40 * 24 * time.Hour)
		b.exec(`UPDATE p SET name = name || '.' WHERE id = 2`)
		b.greet(a)
		meetings(1, [2]*node{a, b})
		for _, n := range []*node{a, b} {
			if _, err := n.Prune(t.Context(), cdc.DefaultDataset, cdc.PruneOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		kept = append(kept, b.batches())
	}
	if kept[0] < "2" || kept[1] <= kept[0] || kept[2] >= kept[1] || a.batches() != "0" {
		t.Errorf("%v batches are kept, and %s where the column is", kept, a.batches())
	}
	b.exec(`ALTER TABLE p ADD COLUMN ean TEXT`)
	b.seal()
	b.rejoin(a)
	if got := b.text(`SELECT group_concat(id || coalesce(ean, '-'), ' ') FROM p`); got != "14001 2- 34003" {
		t.Errorf("rows are %s", got)
	}
	converge(t, a, b)
	if list := slices.Concat(a.conflicts(), b.conflicts()); len(list) != 0 {
		t.Errorf("conflicts are %+v", list)
	}
}

// What a snapshot told of a column that was not here is had when it comes.
func TestColumnThatCameWithASnapshot(t *testing.T) {
	a, b := pair(t, plain, "p")
	a.exec(`ALTER TABLE p ADD COLUMN ean TEXT; INSERT INTO p VALUES (1, 'tea', '4001'), (2, 'rice', '4002'); UPDATE p SET ean = '4000' WHERE id = 2`)
	a.seal()
	a.prune()
	b.takeFrom(a)
	if p := b.prune(); len(p.Blocked) > 0 {
		t.Errorf("blocked by %v", p.Blocked)
	}
	b.exec(`ALTER TABLE p ADD COLUMN ean TEXT`)
	b.seal()
	b.rejoin(a)
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(id || coalesce(ean, '-'), ' ') FROM p`); got != "14001 24000" {
		t.Errorf("rows are %s", got)
	}
}
