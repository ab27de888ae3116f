package cdc_test

import (
	"fmt"
	"strings"
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// packing says how many records and packs the metadata of the first table has.
func (n *node) packing() string {
	n.t.Helper()
	return n.text(`SELECT count(*) || ' ' || coalesce(sum(state = 3), 0) FROM sqlsync_meta_1`)
}

const threeHundred = `WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 300)
	INSERT INTO items (id, name) SELECT i, 'item ' || i FROM n`

// Rows that come together are packed at once, on both sides; those that come one by
// one when the dataset is pruned.
func TestMetadataIsPacked(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(threeHundred)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if got := n.packing(); got != "7 7" {
			t.Errorf("%s records and packs", got)
		}
	}
	for i := range 20 {
		a.exec(fmt.Sprintf(`INSERT INTO items (id, name) VALUES (%d, 'late')`, 1000+i))
		a.seal()
	}
	if got := a.packing(); got != "27 7" {
		t.Errorf("%s records and packs", got)
	}
	a.prune()
	if got := a.packing(); got != "8 8" {
		t.Errorf("%s records and packs after the prune", got)
	}
	// What changes has a record again, and only that.
	a.exec(`UPDATE items SET qty = 7 WHERE id = 150; DELETE FROM items WHERE id = 1010`)
	b.exec(`UPDATE items SET note = 'b' WHERE id = 150; INSERT INTO items (id, name) VALUES (-5, 'low')`)
	converge(t, a, b)
	if got := a.packing(); got != "13 10" {
		t.Errorf("%s records and packs after changes", got)
	}
	if got := a.text(`SELECT name || qty || note FROM items WHERE id = 150`); got != "item 1507b" {
		t.Errorf("the row is %s", got)
	}
	// Metadata of before is packed from the beginning on.
	if got := a.text(`SELECT folded > 900 FROM sqlsync_table`); got != "0" {
		t.Errorf("folded is %s behind what came before it", a.text(`SELECT folded FROM sqlsync_table`))
	}
}

// What a tombstone that is pruned was the tombstone of does not come back.
func TestDeletedRowsDoNotComeBackFromPacks(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(threeHundred)
	converge(t, a, b)
	a.exec(`DELETE FROM items WHERE id % 3 = 0`)
	converge(t, a, b)
	for _, n := range []*node{a, b} {
		if p := n.prune(); p.Tombstones != 100 {
			t.Errorf("%d tombstones", p.Tombstones)
		}
		if got := n.text(`SELECT count(*) FROM items`); got != "200" {
			t.Errorf("%s rows", got)
		}
	}
	if got := a.text(`SELECT count(*) < 9 FROM sqlsync_meta_1`); got != "1" {
		t.Errorf("%s records and packs", a.packing())
	}
	c := newNode(t, 3, items)
	c.watch(cdc.WatchOptions{}, "items")
	c.takeFrom(a)
	if got := c.text(`SELECT count(*) FROM items`); got != "200" {
		t.Errorf("%s rows from the snapshot", got)
	}
	a.exec(`INSERT INTO items (id, name) VALUES (3, 'anew')`)
	converge(t, a, b)
}

// A pack that is damaged is found with every row that is in it; the others are right.
func TestDamagedPackIsFound(t *testing.T) {
	unitOnly(t)
	for name, damage := range map[string]string{
		"layout":  `cells = x'ff'`,
		"hashes":  `hashes = substr(hashes, 2)`,
		"last":    `version = version + 1`,
		"origin":  `birth_origin = 77`,
		"no blob": `hashes = 5`,
	} {
		t.Run(name, func(t *testing.T) {
			a := newNode(t, 1, items)
			a.damaged = true
			a.watch(cdc.WatchOptions{}, "items")
			a.exec(threeHundred)
			a.seal()
			last := a.text(`SELECT version FROM sqlsync_meta_1 WHERE k0 = 1`)
			a.exec(`UPDATE sqlsync_meta_1 SET ` + damage + ` WHERE k0 = 1`)
			got := a.verify()
			if fmt.Sprint(len(got)) != last || got[0] != "metadata_damaged items id=1" || got[len(got)-1] != "metadata_damaged items id="+last {
				t.Errorf("%d rows found, want %s: %.200v", len(got), last, got)
			}
			a.exec(`UPDATE items SET qty = 1`)
			a.Seal(t.Context(), cdc.DefaultDataset)
			if list := a.Troubles(); len(list) != 1 || list[0].What != "seal items" || !strings.Contains(list[0].Err.Error(), "metadata is damaged") {
				t.Errorf("troubles: %v", list)
			}
			if _, err := a.Unwatch(t.Context(), []string{"items"}); err != nil {
				t.Fatal(err)
			}
			a.watch(cdc.WatchOptions{}, "items")
			if got := a.verify(); len(got) > 0 {
				t.Errorf("found after watching again: %q", got)
			}
		})
	}
}

// What is written past the capture is found and mended in packs, too.
func TestPackedRowsAreRepaired(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(threeHundred)
	converge(t, a, b)
	a.past(`UPDATE items SET qty = 9 WHERE id = 40`, `DELETE FROM items WHERE id = 41`, `INSERT INTO items (id) VALUES (500)`)
	want := "differing_row items id=40,row_not_captured items id=500,missing_row items id=41"
	if got := strings.Join(a.verify(), ","); got != want {
		t.Errorf("found %q", got)
	}
	a.repair()
	if got := a.verify(); len(got) > 0 {
		t.Errorf("found after: %q", got)
	}
	converge(t, a, b)
}

// A table that is given other rules, renamed columns or another key keeps what is in
// packs.
func TestPacksThroughChangesOfATable(t *testing.T) {
	unitOnly(t)
	for _, c := range []struct {
		name, schema string
		do           func(n *node)
		packs        string
	}{
		{"ids of its own", items, func(n *node) { n.watch(cdc.WatchOptions{Policy: "append", IDs: "local"}, "items") }, "300 0"},
		{"rows merged whole", items, func(n *node) { n.watch(cdc.WatchOptions{Policy: "row"}, "items") }, "7 7"},
		{"a counter", items, func(n *node) { n.watch(cdc.WatchOptions{Columns: map[string]string{"qty": "counter"}}, "items") }, "300 0"},
		{"renamed", items, func(n *node) { n.exec(`ALTER TABLE items RENAME COLUMN name TO title`) }, "7 7"},
		{"the key of a rowid no more", items, func(n *node) {
			n.exec(`CREATE TABLE other (id INTEGER NOT NULL PRIMARY KEY, name TEXT, qty INTEGER DEFAULT 0, note) WITHOUT ROWID;
				INSERT INTO other SELECT * FROM items; DROP TABLE items; ALTER TABLE other RENAME TO items`)
		}, "7 7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newNode(t, 1, c.schema)
			a.watch(cdc.WatchOptions{}, "items")
			a.exec(threeHundred)
			a.seal()
			c.do(a)
			a.seal()
			if got := a.packing(); got != c.packs {
				t.Errorf("%s records and packs, want %s", got, c.packs)
			}
			a.exec(`DELETE FROM items WHERE id BETWEEN 50 AND 60; UPDATE items SET qty = 5 WHERE id < 9; INSERT INTO items (id) VALUES (301)`)
			a.seal()
			b := newNode(t, 2, a.text(`SELECT sql FROM sqlite_master WHERE name = 'items'`))
			b.watch(cdc.WatchOptions{}, "items")
			if c.name == "renamed" || strings.Contains(c.name, "key") {
				b.takeFrom(a)
				if a.digest()["items"] != b.digest()["items"] {
					t.Errorf("%v here, %v there", a.digest(), b.digest())
				}
			}
		})
	}
}

// Keys that another node spells otherwise, or that no row here can have, are looked
// for in packs.
func TestOddKeysAreLookedForInPacks(t *testing.T) {
	a := newNode(t, 1, items)
	a.watch(cdc.WatchOptions{}, "items")
	a.exec(threeHundred)
	a.seal()
	rows := func(from, to []wire.Value) (n uint64) {
		r := wire.KeyRange{}
		if from != nil {
			r.From = wire.AppendRow(nil, from)
		}
		if to != nil {
			r.To = wire.AppendRow(nil, to)
		}
		answer, err := a.stream().Compare(t.Context(), &wire.FingerprintsRequest{Aspect: wire.ByVersions, Table: "items", Ranges: []wire.KeyRange{r}})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range answer.(*wire.Fingerprints).Ranges {
			for _, f := range p {
				n += f.Rows
			}
		}
		return n
	}
	for _, c := range []struct {
		from, to wire.Value
		want     uint64
	}{
		{nil, int64(70), 70}, {int64(70), nil, 230}, {int64(66), int64(66), 0}, {10.5, 20.5, 10}, {"10", "20.0", 10},
		{-1e300, 1e300, 300}, {"x", nil, 0}, {nil, []byte{0}, 300},
	} {
		var from, to []wire.Value
		if c.from != nil {
			from = []wire.Value{c.from}
		}
		if c.to != nil {
			to = []wire.Value{c.to}
		}
		if got := rows(from, to); got != c.want {
			t.Errorf("%d rows behind %v up to %v, want %d", got, c.from, c.to, c.want)
		}
	}
}
