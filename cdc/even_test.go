package cdc_test

import (
	"fmt"
	"strings"
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// unevenPair are two nodes that have merged the same writes by different policies
// and have the same one now: one joined the documents of which the other took the later.
func unevenPair(t *testing.T) (a, b *node) {
	t.Helper()
	a, b = pair(t, things, "things")
	a.exec(`INSERT INTO things VALUES (1, 10, '{}', 1, 'p'), (2, 20, '{}', 1, 'q'), (3, 30, '{}', 1, 'r')`)
	converge(t, a, b)
	json := cdc.WatchOptions{Columns: map[string]string{"doc": "json"}}
	a.watch(json, "things")
	b.exec(`UPDATE things SET doc = '{"b":2}' WHERE id = 1`)
	b.seal()
	for now := a.text(`SELECT julianday('now')`); now == a.text(`SELECT julianday('now')`); { // until it is later
	}
	a.exec(`UPDATE things SET doc = '{"a":1}' WHERE id = 1`)
	a.seal()
	b.pull(a)
	b.watch(json, "things")
	a.greet(b)
	b.greet(a)
	if here, there := a.text(thingsText), b.text(thingsText); here == there {
		t.Fatalf("both have %s", here)
	}
	return a, b
}

func lostOf(list []cdc.Conflict) (ids, values []string) {
	for _, c := range list {
		for _, v := range c.Loser {
			ids, values = append(ids, c.ID), append(values, fmt.Sprint(c.Kind, " ", v.Name, "=", v.Value))
		}
	}
	return ids, values
}

// What differs after a change of policies becomes the same by itself; the value
// that does not stand is listed where it was and where that was seen, and can be
// put back. Other rows are left alone.
func TestRowsAreStatedAgain(t *testing.T) {
	a, b := unevenPair(t)
	const doc = `SELECT 'cell doc=' || doc FROM things WHERE id = 1`
	was := map[string]bool{a.text(doc): true, b.text(doc): true}
	before := a.changes() + b.changes()
	if !a.isUneven(b) || !b.isUneven(a) {
		t.Fatal("nothing is to be compared")
	}
	evenOut(t, [][2]*node{{a, b}})
	converge(t, a, b)
	if n := a.changes() + b.changes() - before; n != 2 { // one row, which both have now
		t.Errorf("%d changes more", n)
	}
	delete(was, a.text(doc))
	here, lostHere := lostOf(a.conflicts())
	there, lostThere := lostOf(b.conflicts())
	for _, lost := range [][]string{lostHere, lostThere} {
		if len(lost) == 0 || !was[lost[len(lost)-1]] {
			t.Fatalf("lost %v here and %v there, of %v", lostHere, lostThere, was)
		}
	}
	id := here[len(here)-1]
	if there[len(there)-1] != id {
		t.Errorf("listed as %v here and as %v there", here, there)
	}
	if err := b.RestoreConflict(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	converge(t, a, b)
	if got := a.text(doc); !was[got] {
		t.Errorf("put back, %s", got)
	}
	a.exec(`UPDATE things SET doc = json_set(doc, '$.x', 1) WHERE id = 1`)
	b.exec(`UPDATE things SET doc = json_set(doc, '$.y', 1) WHERE id = 1`)
	converge(t, a, b)
}

// changes counts the changes in the batches that a node holds.
func (n *node) changes() (count int) {
	n.t.Helper()
	if err := n.app.QueryRow(`SELECT coalesce(sum(changes), 0) FROM sqlsync_batch`).Scan(&count); err != nil {
		n.t.Fatal(err)
	}
	return count
}

// A table of which no policy was changed, or not to one that merges otherwise, is
// not compared; one that was is compared with each peer once, also by a process
// that comes later.
func TestTablesAreComparedOnce(t *testing.T) {
	a, b := pair(t, things, "things")
	if a.isUneven(b) {
		t.Error("to be compared without a change")
	}
	a.watch(cdc.WatchOptions{IDs: "rekey"}, "things")
	if a.isUneven(b) {
		t.Error("to be compared for who gives out ids")
	}
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{IDs: "shared", Columns: map[string]string{"n": "max"}}, "things")
	}
	a.exec(`INSERT INTO things (id, n) VALUES (1, 1)`)
	a.greet(b)
	b.greet(a)
	a = openNodeWith(t, 1, a.path, ``, cdc.Options{})
	if !a.isUneven(b) {
		t.Error("not to be compared after a restart")
	}
	changes := a.changes()
	a.even(b)
	if a.isUneven(b) || a.changes() != changes {
		t.Errorf("still to be compared: %v; %d changes for %d", a.isUneven(b), a.changes(), changes)
	}
	if !b.isUneven(a) {
		t.Error("the other side has not compared")
	}
	c := newNode(t, 3, things)
	c.watch(cdc.WatchOptions{Columns: map[string]string{"n": "max"}}, "things")
	c.greet(a)
	if !a.isUneven(c) {
		t.Error("not to be compared with another peer")
	}
	a.watch(cdc.WatchOptions{Columns: map[string]string{"n": "lww"}}, "things")
	b.watch(cdc.WatchOptions{Columns: map[string]string{"n": "lww"}}, "things")
	b.greet(a)
	a.greet(b)
	if !a.isUneven(b) {
		t.Error("not to be compared after another change")
	}
}

// A row that is written while it is compared is left for later, and nothing that
// was written is lost to the comparison.
func TestRowsOnTheirWayAreNotStatedAgain(t *testing.T) {
	a, b := unevenPair(t)
	k := &talk{from: b, before: func(question wire.Message) {
		if _, ok := question.(*wire.RangesRequest); ok {
			a.exec(`UPDATE things SET plain = 'here' WHERE id = 1`)
			b.exec(`UPDATE things SET doc = '"there"' WHERE id = 2`)
		}
	}}
	before := a.changes()
	step := a.stream().Even(b.Node())
	question, err := step(t.Context(), nil)
	for question != nil && err == nil {
		var answer wire.Message
		if answer, err = k.ask(t.Context(), question); err != nil {
			break
		}
		if question, err = step(t.Context(), answer); a.stream().NotYet(err) {
			a.pull(b) // what it was told of has come
			question, err = step(t.Context(), answer)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := a.changes() - before; n != 2 { // what was written
		t.Errorf("%d changes more", n)
	}
	if !a.isUneven(b) {
		t.Error("nothing is left to be compared")
	}
	evenOut(t, [][2]*node{{a, b}})
	converge(t, a, b)
	if got := b.text(thingsText); !strings.Contains(got, "here") || !strings.Contains(got, "there") {
		t.Errorf("both have %s", got)
	}
	for _, n := range []*node{a, b} {
		for _, c := range n.conflicts() {
			if c.Kind != "cell" || len(c.Loser) != 1 || c.Loser[0].Name != "doc" {
				t.Errorf("listed: %+v", c)
			}
		}
	}
}

// Where a batch is damaged that would say what was written meanwhile, a comparison
// leaves rows for later and does not fail.
func TestComparedBesideADamagedBatch(t *testing.T) {
	a, b := unevenPair(t)
	a.exec(`UPDATE things SET plain = 'late' WHERE id = 2`)
	a.seal()
	a.exec(`UPDATE sqlsync_batch SET sealed = x'00' WHERE pos = (SELECT max(pos) FROM sqlsync_batch)`)
	a.damaged = true
	a.even(b)
	if !a.isUneven(b) {
		t.Error("compared although nobody can tell what was written")
	}
	b.takeFrom(a)
	a.pull(b)
	evenOut(t, [][2]*node{{a, b}})
	if got := b.text(thingsText); got != a.text(thingsText) {
		t.Errorf("%s there, %s here", got, a.text(thingsText))
	}
}
