package cdc_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"sqlsync/cdc"
)

// pullOf brings n some of what from holds of one dataset, in from's order: up to
// most batches, or all there is.
func (n *node) pullOf(dataset string, from *node, most int) {
	n.t.Helper()
	ctx := n.t.Context()
	if err := from.Seal(ctx, dataset); err != nil {
		n.t.Fatal(err)
	}
	batches := n.asked(from, dataset)
	if _, err := n.Stream(dataset).Apply(ctx, from.Node(), batches[:min(most, len(batches))]); err != nil {
		n.t.Fatal(err)
	}
}

const everything = 1 << 20

// A table is moved on one node after the other, while both write to it and
// batches come in any order between the datasets. Nothing is lost or doubled,
// and nothing is a conflict that was seen.
func TestTableMoves(t *testing.T) {
	t.Run("where all tables are held", func(t *testing.T) { testTableMoves(t, true) })
	t.Run("where those that are watched are held", func(t *testing.T) { testTableMoves(t, false) })
}

func testTableMoves(t *testing.T, passesOn bool) {
	a, b := pair(t, items+`; CREATE TABLE other (id INTEGER PRIMARY KEY)`, "items", "other")
	for _, n := range []*node{a, b} { // so that both have the dataset
		n.exec(`CREATE TABLE third (id INTEGER PRIMARY KEY)`)
		n.watch(cdc.WatchOptions{Dataset: "telemetry"}, "third")
	}
	if passesOn {
		for seed := range byte(2) {
			b.knows(newNode(t, 3+seed, items))
		}
	}
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one'), (2, 'two'), (3, 'three')`)
	b.exec(`INSERT INTO items (id, name) VALUES (4, 'four')`)
	converge(t, a, b)
	a.exec(`INSERT INTO items (id, name) VALUES (5, 'five')`) // not sealed yet
	a.watch(cdc.WatchOptions{Dataset: "telemetry"}, "items")
	a.exec(`UPDATE items SET name = 'FIVE' WHERE id = 5; UPDATE items SET name = 'FOUR' WHERE id = 4; DELETE FROM items WHERE id = 3; INSERT INTO items (id, name) VALUES (6, 'six')`)
	b.exec(`UPDATE items SET qty = 7 WHERE id = 1; INSERT INTO items (id, name) VALUES (7, 'seven')`)
	// What was written after the move waits where it was not made, also when it
	// comes before what was written earlier.
	b.pullOf("telemetry", a, everything)
	if got := b.text(`SELECT group_concat(name) FROM items`); got != "one,two,three,four,seven" {
		t.Errorf("rows are %s", got)
	}
	a.pullOf("primary", b, everything)
	if got := a.text(`SELECT group_concat(id || coalesce(qty, '')) FROM items`); got != "17,20,40,50,60,70" {
		t.Errorf("of the other that has not moved it: %s", got)
	}
	b.watch(cdc.WatchOptions{Dataset: "telemetry"}, "items")
	if !passesOn { // what was not asked for comes now
		b.pullOf("telemetry", a, everything)
	}
	if got := b.text(`SELECT group_concat(name) FROM items`); got != "one,two,FOUR,six,seven" {
		t.Errorf("rows are %s", got)
	}
	b.pullOf("primary", a, everything) // the row that a change has come to already
	b.exec(`UPDATE items SET name = 'SEVEN' WHERE id = 7; DELETE FROM items WHERE id = 2`)
	for _, d := range []string{"telemetry", "primary"} {
		a.pullOf(d, b, everything)
		b.pullOf(d, a, everything)
	}
	for _, n := range []*node{a, b} {
		if got := n.text(`SELECT group_concat(name || coalesce(qty, '')) FROM items`); got != "one7,FOUR0,FIVE0,six0,SEVEN0" {
			t.Errorf("rows are %s", got)
		}
		if list := n.conflicts(); len(list) > 0 {
			t.Errorf("conflicts %+v", list)
		}
		n.exec(`INSERT INTO other VALUES (9) ON CONFLICT DO NOTHING`)
		if n.text(`SELECT group_concat(DISTINCT table_id) FROM sqlsync_oplog_1`) == "1" {
			t.Error("still marked in the former dataset")
		}
	}
}

// What is written on a node after it has moved a table has not been seen by one
// that has not, whatever else that has of the former dataset.
func TestLostAfterAMoveIsListed(t *testing.T) {
	a, b := pair(t, items+`; CREATE TABLE other (id INTEGER PRIMARY KEY)`, "items", "other")
	a.watch(cdc.WatchOptions{Dataset: "telemetry"}, "items")
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'of a')`)
	if err := a.Seal(t.Context(), "telemetry"); err != nil {
		t.Fatal(err)
	}
	a.exec(`INSERT INTO other VALUES (1)`)
	b.pullOf("primary", a, everything)
	b.exec(`INSERT INTO items (id, name) VALUES (1, 'of b')`)
	a.pullOf("primary", b, everything)
	if list := a.conflicts(); a.text(`SELECT name FROM items WHERE id = 1`) != "of b" || len(list) != 1 || list[0].Kind != "key" {
		t.Errorf("conflicts %+v", list)
	}
}

// A table that lacks a column moves, and what came for the column, before and
// after, lands when it comes.
func TestTableThatLacksAColumnMoves(t *testing.T) {
	a, b := pair(t, `CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE other (id INTEGER PRIMARY KEY)`, "p")
	converge(t, a, b)
	a.exec(`ALTER TABLE p ADD COLUMN ean TEXT; ALTER TABLE p ADD COLUMN mistake TEXT`)
	a.exec(`INSERT INTO p VALUES (1, 'tea', '4001', 'x'), (2, 'rice', '4002', 'x')`)
	exchange(a, b)
	a.exec(`ALTER TABLE p DROP COLUMN mistake`)
	both := func() {
		for _, d := range []string{"telemetry", "primary"} {
			a.pullOf(d, b, everything)
			b.pullOf(d, a, everything)
		}
	}
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{Dataset: "telemetry"}, "p")
	}
	both()
	a.exec(`UPDATE p SET ean = '4012' WHERE id = 2; INSERT INTO p VALUES (3, 'salt', '4003')`)
	both()
	for _, n := range []*node{a, b} {
		n.prune()
	}
	b.exec(`ALTER TABLE p ADD COLUMN ean TEXT`)
	both()
	want(t, `SELECT group_concat(id || name || coalesce(ean, '-'), ' ') FROM p`, "1tea4001 2rice4012 3salt4003", a, b)
}

// Histories of three nodes that move a table there and back at different times,
// and exchange parts of their datasets in any order.
func TestTablesMoveInAnyOrder(t *testing.T) {
	unitOnly(t)
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 6))
			var nodes []*node
			for i := range 3 {
				n := newNode(t, byte(i+1), items+`; CREATE TABLE other (id INTEGER PRIMARY KEY); CREATE TABLE third (id INTEGER PRIMARY KEY)`)
				n.watch(cdc.WatchOptions{Columns: map[string]string{"qty": "counter"}}, "items")
				n.watch(cdc.WatchOptions{}, "other")
				n.watch(cdc.WatchOptions{Dataset: "telemetry"}, "third")
				nodes = append(nodes, n)
			}
			datasets := []string{"primary", "telemetry"}
			where := []int{0, 0, 0}
			for step := range 120 {
				i := r.IntN(3)
				n, id := nodes[i], r.IntN(12)
				switch r.IntN(8) {
				case 0, 1:
					n.exec(fmt.Sprintf(`INSERT OR IGNORE INTO items (id, name, qty) VALUES (%d, 'by %d in %d', 0)`, id, i, step))
				case 2:
					n.exec(fmt.Sprintf(`UPDATE items SET name = 'by %d in %d' WHERE id = %d`, i, step, id))
				case 3:
					n.exec(fmt.Sprintf(`UPDATE items SET qty = coalesce(qty, 0) + 1 WHERE id = %d`, id))
				case 4:
					if r.IntN(3) == 0 {
						n.exec(fmt.Sprintf(`DELETE FROM items WHERE id = %d`, id))
					}
				case 5:
					if r.IntN(4) == 0 && where[i] == 0 || r.IntN(30) == 0 {
						where[i] = 1 - where[i]
						n.watch(cdc.WatchOptions{Dataset: datasets[where[i]]}, "items")
					}
				default:
					n.pullOf(datasets[r.IntN(2)], nodes[(i+1+r.IntN(2))%3], 1+r.IntN(3))
				}
			}
			for i, n := range nodes {
				if where[i] == 0 {
					n.watch(cdc.WatchOptions{Dataset: "telemetry"}, "items")
				}
			}
			for range 3 {
				for _, n := range nodes {
					for _, from := range nodes {
						for _, d := range datasets {
							if n != from {
								n.pullOf(d, from, everything)
							}
						}
					}
				}
			}
			want := nodes[0].digest()["items"]
			for i, n := range nodes {
				if got := n.digest()["items"]; got != want {
					t.Errorf("node %d differs: %s and %s", i, n.text(`SELECT group_concat(id || name || coalesce(qty, '-'), ' ') FROM (SELECT * FROM items ORDER BY id)`),
						nodes[0].text(`SELECT group_concat(id || name || coalesce(qty, '-'), ' ') FROM (SELECT * FROM items ORDER BY id)`))
				}
			}
		})
	}
}

// A table that was moved, is not watched any more, and is watched again where it
// once was has what was written there meanwhile.
func TestMovedTableIsWatchedWhereItWas(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'one')`)
	converge(t, a, b)
	a.watch(cdc.WatchOptions{Dataset: "telemetry"}, "items")
	if _, err := a.Unwatch(t.Context(), []string{"items"}); err != nil {
		t.Fatal(err)
	}
	b.exec(`UPDATE items SET name = 'ONE' WHERE id = 1; INSERT INTO items (id, name) VALUES (2, 'two')`)
	a.exec(`INSERT INTO items (id, name) VALUES (3, 'three')`)
	a.pull(b)
	a.watch(cdc.WatchOptions{Dataset: "primary"}, "items")
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(name) FROM (SELECT name FROM items ORDER BY id)`); got != "ONE,two,three" {
		t.Errorf("rows are %s", got)
	}
}
