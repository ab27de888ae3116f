package cdc_test

import (
	"path/filepath"
	"testing"
	"time"

	"sqlsync/cdc"
)

// A till is away for a year, in virtual time: it holds back what it lacks for as
// long as it may be away, then no longer, and comes back by a snapshot. What it
// wrote meanwhile survives, what was deleted stays deleted, and clocks that were
// set back in between change nothing.
func TestAYearAway(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	dir := t.TempDir()
	office := openNodeAt(t, 1, filepath.Join(dir, "office.db"), items, clock)
	shop := openNodeAt(t, 2, filepath.Join(dir, "shop.db"), items, clock)
	till := openNodeAt(t, 3, filepath.Join(dir, "till.db"), items, clock)
	nodes := []*node{office, shop, till}
	names := []string{"office", "shop", "till"}
	for i, n := range nodes {
		n.watch(cdc.WatchOptions{}, "items")
		for j, o := range nodes {
			if i != j {
				if err := n.AddRemote(t.Context(), cdc.Remote{Name: names[j], Key: o.Node(), Pull: true, Push: true}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	office.exec(`INSERT INTO items (id, name, qty) VALUES (1, 'stays', 1), (2, 'is deleted', 1), (3, 'is changed', 1)`)
	meetings(2, [2]*node{office, shop}, [2]*node{office, till}, [2]*node{shop, till})

	till.exec(`INSERT INTO items (id, name) VALUES (10, 'written away')`)
	till.exec(`UPDATE items SET note = 'by till' WHERE id = 3`)
	till.exec(`UPDATE items SET qty = 9 WHERE id = 2`)
	till.seal()
	prune := func(n *node) cdc.Pruned {
		p, err := n.Prune(t.Context(), cdc.DefaultDataset, cdc.PruneOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	held := 0
	for day := range 365 {
		now = now.Add(24 * time.Hour)
		if day == 200 {
			now = now.Add(-time.Hour) // somebody sets the clock back
		}
		switch day {
		case 20:
			office.exec(`DELETE FROM items WHERE id = 2; UPDATE items SET name = 'changed' WHERE id = 3`)
		case 40:
			shop.exec(`INSERT INTO items (id, name) VALUES (20, 'new')`)
		}
		if day%10 == 0 {
			office.seal()
			shop.seal()
			meetings(1, [2]*node{office, shop})
			for _, n := range nodes[:2] {
				if p := prune(n); len(p.Blocked) > 0 && p.Blocked[0] == "till" {
					held = day
				}
			}
		}
	}
	if held < 80 || held > 100 {
		t.Errorf("till held pruning back until day %d, want about 90", held)
	}
	if got := office.text(`SELECT count(*) FROM sqlsync_batch`); got != "0" {
		t.Errorf("%s batches are kept", got)
	}
	till.takeFrom(office)
	meetings(2, [2]*node{office, till}, [2]*node{office, shop}, [2]*node{shop, till})
	for i, n := range nodes {
		if got := n.text(`SELECT group_concat(id || ' ' || name || ' ' || coalesce(note, '-'), ', ') FROM (SELECT * FROM items ORDER BY id)`); got !=
			"1 stays -, 3 changed by till, 10 written away -, 20 new -" {
			t.Errorf("%s has %s", names[i], got)
		}
	}
	if list := till.conflicts(); len(list) != 1 || list[0].Kind != "delete" {
		t.Errorf("till lists %+v", list)
	}
}
