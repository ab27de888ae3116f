package cdc_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/wire"
)

// meets does for one dataset what a session with another node does here: it
// compares tables, takes a snapshot where one is needed, and up to most batches.
func (n *node) meets(from *node, dataset string, most int) {
	n.t.Helper()
	ctx := n.t.Context()
	to := n.Stream(dataset)
	if err := from.Seal(ctx, dataset); err != nil {
		n.t.Fatal(err)
	}
	offers, err := from.Stream(dataset).Offers(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := to.Agree(ctx, from.Node(), offers); err != nil {
		n.t.Fatal(err)
	}
	if _, err := to.NoteArrivals(ctx, from.Node(), offers); err != nil {
		n.t.Fatal(err)
	}
	moved, err := from.Stream(dataset).Moved(ctx)
	if err == nil {
		err = to.NoteMoved(ctx, from.Node(), moved)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	needs, err := to.Needs(ctx, offers)
	if err != nil {
		n.t.Fatal(err)
	}
	batches := n.asked(from, dataset)
	have, err := to.Vector(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	theirs, err := from.Stream(dataset).Vector(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	if needs || behind(have, theirs, batches) {
		n.takes(from, dataset)
		batches = n.asked(from, dataset)
	}
	if _, err := to.Apply(ctx, from.Node(), batches[:min(most, len(batches))]); err != nil {
		n.t.Fatal(err)
	}
}

// behind reports whether there is something to be had of a peer that is not in
// its batches.
func behind(have, theirs merge.Vector, batches []*wire.Sealed) bool {
	next := have.Clone()
	for _, b := range batches {
		h, _, err := b.Header()
		if err != nil || h.Seq > next[h.Origin].Seq+1 {
			return true
		}
		next[h.Origin] = merge.Position{Seq: max(h.Seq, next[h.Origin].Seq)}
	}
	for origin, p := range theirs {
		if next[origin].Seq < p.Seq {
			return true
		}
	}
	return false
}

// takes has a snapshot of another node, by ranges where that can be.
func (n *node) takes(from *node, dataset string) {
	n.t.Helper()
	ctx := n.t.Context()
	step := n.Stream(dataset).Reconcile(from.Node())
	question, err := step(ctx, nil)
	for question != nil && err == nil {
		request, whole := question.(*wire.SnapshotRequest)
		if whole {
			var part *wire.SnapshotPart
			if part, err = from.Stream(dataset).Snapshot(ctx, request, n.wants(dataset)); err == nil {
				request, err = n.Stream(dataset).TakeSnapshot(ctx, from.Node(), part)
			}
			if question = nil; request != nil {
				question = request
			}
			continue
		}
		var answer wire.Message
		if answer, err = from.Stream(dataset).Compare(ctx, question); err == nil {
			question, err = step(ctx, answer)
		}
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

const telemetry = "telemetry"

// arriving lists what status says of tables that were moved.
func (n *node) arriving() (list string) {
	n.t.Helper()
	st, err := n.Status(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	for _, a := range st.Arriving {
		list += fmt.Sprintf("%s in %s: heard %v here %v there %v;", a.Table, a.Dataset, a.Heard, a.Here, a.There)
	}
	return list
}

// What was written before a table was moved to a dataset reaches the nodes that
// have it there from the start, and status says when.
func TestMovedTableBringsItsRows(t *testing.T) {
	a, b := newNode(t, 1, items), newNode(t, 2, items)
	a.exec(`INSERT INTO items (id, name) VALUES (1, 'before it was watched'), (5, 'of a')`)
	b.exec(`INSERT INTO items (id, name) VALUES (5, 'of b')`)
	a.watch(cdc.WatchOptions{}, "items")
	b.watch(cdc.WatchOptions{Dataset: telemetry}, "items")
	a.knows(b)
	b.knows(a)
	a.exec(`INSERT INTO items (id, name) VALUES (2, 'after'), (3, 'deleted')`)
	b.exec(`INSERT INTO items (id, name) VALUES (11, 'of b')`)
	a.seal()
	a.exec(`DELETE FROM items WHERE id = 3`)
	a.watch(cdc.WatchOptions{Dataset: telemetry}, "items")
	if got := a.arriving(); got != "items in telemetry: heard false here false there true;" {
		t.Errorf("after the move: %q", got)
	}
	b.meets(a, telemetry, everything)
	if got := b.arriving(); got != "items in telemetry: heard true here false there true;" {
		t.Errorf("before the other has any of it: %q", got)
	}
	a.meets(b, telemetry, everything)
	b.meets(a, telemetry, everything)
	if got := a.arriving() + b.arriving(); got != "" {
		t.Errorf("with all of it: %q", got)
	}
	for _, n := range []*node{a, b} {
		if got := n.text(`SELECT group_concat(id) FROM (SELECT id FROM items ORDER BY id)`); got != "1,2,5,11" {
			t.Errorf("rows are %s", got)
		}
	}
	if a.digest()["items"] != b.digest()["items"] {
		t.Errorf("they differ: %s and %s", a.text(`SELECT name FROM items WHERE id = 5`), b.text(`SELECT name FROM items WHERE id = 5`))
	}
	// It is over: who hears of it again has it.
	offers, err := a.Stream(telemetry).Offers(t.Context())
	if err != nil || len(offers) != 1 || len(offers[0].Arrivals) != 2 {
		t.Fatalf("offers %+v, %v", offers, err)
	}
	if needs, err := b.Stream(telemetry).Needs(t.Context(), offers); err != nil || needs {
		t.Errorf("a snapshot is needed again: %v", err)
	}
}

// Nodes that have a table in one dataset or the other move it at any time, some
// never, and exchange parts of what they have in any order, of which some was
// pruned. What was not deleted is then on every node that has the table there.
func TestTablesMoveAnywhere(t *testing.T) {
	seeds := 6
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { moveAnywhere(t, seed) })
	}
}

// mover is a node of moveAnywhere.
type mover struct {
	*node
	// primary says that it has that dataset, stays that it never moves the table.
	primary, stays bool
	in             string
}

func moveAnywhere(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 28))
	now := time.Now()
	clock := func() time.Time { return now }
	var nodes []*mover
	for i := range 3 + r.IntN(2) {
		n := &mover{in: telemetry, primary: i == 0 || r.IntN(4) > 0}
		n.node = openNodeAt(t, byte(i+1), filepath.Join(t.TempDir(), "app.db"), items+`; CREATE TABLE other (id INTEGER PRIMARY KEY); CREATE TABLE third (id INTEGER PRIMARY KEY)`, clock)
		if i == 0 || i != 1 && n.primary && r.IntN(2) == 0 {
			n.in = cdc.DefaultDataset
			n.stays = i > 0 && r.IntN(3) == 0
		}
		for range r.IntN(3) {
			n.exec(`INSERT OR IGNORE INTO items (id, name) VALUES (?, ?)`, r.IntN(8), fmt.Sprintf("there on %d", i))
		}
		n.watch(cdc.WatchOptions{Dataset: n.in, Columns: map[string]string{"qty": "counter"}}, "items")
		if n.primary {
			n.watch(cdc.WatchOptions{}, "other")
		}
		n.watch(cdc.WatchOptions{Dataset: telemetry}, "third")
		nodes = append(nodes, n)
	}
	for i, n := range nodes {
		for k, o := range nodes {
			if i != k {
				n.knows(o.node)
			}
		}
	}
	meet := func(n, from *mover, most int) {
		for _, d := range []string{cdc.DefaultDataset, telemetry} {
			if d == telemetry || n.primary && from.primary {
				n.meets(from.node, d, most)
			}
		}
	}
	var kept []string
	for step := range 90 {
		now = now.Add(time.Second)
		i := r.IntN(len(nodes))
		n, id := nodes[i], r.IntN(8)
		switch r.IntN(9) {
		case 0:
			n.exec(fmt.Sprintf(`INSERT OR IGNORE INTO items (id, name, qty) VALUES (%d, 'by %d in %d', 0)`, id, i, step))
		case 1:
			n.exec(fmt.Sprintf(`INSERT INTO items (id, name) VALUES (%d, 'by %d')`, 1000+step, i))
			kept = append(kept, fmt.Sprint(1000+step))
		case 2:
			n.exec(fmt.Sprintf(`UPDATE items SET name = 'by %d in %d' WHERE id = %d`, i, step, id))
		case 3:
			n.exec(fmt.Sprintf(`UPDATE items SET qty = coalesce(qty, 0) + 1 WHERE id = %d`, id))
		case 4:
			n.exec(fmt.Sprintf(`DELETE FROM items WHERE id = %d`, id))
		case 5:
			if n.primary && !n.stays && r.IntN(6) == 0 {
				n.move()
			}
		case 6:
			if r.IntN(6) == 0 {
				if _, err := n.Prune(t.Context(), []string{cdc.DefaultDataset, telemetry}[r.IntN(2)], cdc.PruneOptions{All: true}); err != nil && n.primary {
					t.Fatal(err)
				}
			}
		default:
			meet(n, nodes[(i+1+r.IntN(len(nodes)-1))%len(nodes)], 1+r.IntN(3))
		}
	}
	for _, n := range nodes {
		if n.in != telemetry && !n.stays {
			n.move()
		}
	}
	for range 4 {
		now = now.Add(2 * time.Minute)
		for _, n := range nodes {
			for _, from := range nodes {
				if n != from {
					meet(n, from, everything)
				}
			}
		}
	}
	var first *mover
	for i, n := range nodes {
		if n.stays {
			continue
		}
		if first == nil {
			first = n
		}
		all := n.text(`SELECT group_concat(id || ' ' || name || ' ' || coalesce(qty, '-')) FROM (SELECT * FROM items ORDER BY id)`)
		for _, id := range kept {
			if !strings.Contains(","+all, ","+id+" ") {
				t.Errorf("node %d lacks %s", i, id)
			}
		}
		if want := first.digest()["items"]; n.digest()["items"] != want {
			t.Errorf("node %d differs: %s and %s", i, all, first.text(`SELECT group_concat(id || ' ' || name || ' ' || coalesce(qty, '-')) FROM (SELECT * FROM items ORDER BY id)`))
		}
		if got := n.arriving(); got != "" {
			t.Errorf("node %d says: %s", i, got)
		}
	}
}

// move puts the table into the other dataset, if it can be now.
func (n *mover) move() {
	n.t.Helper()
	to := telemetry
	if n.in == telemetry {
		to = cdc.DefaultDataset
	}
	list, err := n.Watch(n.t.Context(), []string{"items"}, cdc.WatchOptions{Dataset: to})
	if err != nil {
		n.t.Fatal(err)
	}
	if list[0].Refused == nil {
		n.in = to
	}
}

// However long ago a table was moved, who has not moved it is told.
func TestMoveIsToldForEver(t *testing.T) {
	now := time.Now()
	a := openNodeAt(t, 1, filepath.Join(t.TempDir(), "app.db"), items, func() time.Time { return now })
	a.watch(cdc.WatchOptions{}, "items")
	a.watch(cdc.WatchOptions{Dataset: telemetry}, "items")
	now = now.Add(cdc.DefaultMaxOffline + time.Hour)
	a.watch(cdc.WatchOptions{}, "items") // has the configuration read
	a.exec(`CREATE TABLE more (id INTEGER PRIMARY KEY)`)
	a.watch(cdc.WatchOptions{}, "more")
	list, err := a.Stream(cdc.DefaultDataset).Moved(t.Context())
	if err != nil || len(list) != 1 || list[0] != (wire.MovedTable{Name: "items", Dataset: telemetry}) {
		t.Errorf("told %v, %v", list, err)
	}
}
