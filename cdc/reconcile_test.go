package cdc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// reconcile takes a snapshot of a node by ranges. It counts the rows that came.
func (n *node) reconcile(k *talk) (rows int) {
	n.t.Helper()
	rows, err := n.tryReconcile(n.t.Context(), k)
	if err != nil {
		n.t.Fatal(err)
	}
	return rows
}

func (n *node) tryReconcile(ctx context.Context, k *talk) (rows int, err error) {
	step := n.Stream(cdc.DefaultDataset).Reconcile(k.from.Node())
	question, err := step(ctx, nil)
	for question != nil && err == nil {
		if _, ok := question.(*wire.SnapshotRequest); ok {
			return 0, errWhole
		}
		var answer wire.Message
		if answer, err = k.ask(ctx, question); err != nil {
			break
		}
		if m, ok := answer.(*wire.Ranges); ok {
			for _, p := range m.Parts {
				_, dir, err := p.Header()
				if err != nil {
					return 0, err
				}
				rows += dir[0].Changes
			}
		}
		question, err = step(ctx, answer)
	}
	return rows, err
}

var errWhole = fmt.Errorf("it is to be taken whole")

// away are two nodes with the same rows of which one was away while the other
// wrote, and pruned that.
func away(t testing.TB, rows, changed int) (stale, fresh *node) {
	t.Helper()
	a, b := pair(t, items, "items")
	a.exec(fmt.Sprintf(manyItems, rows))
	converge(t, a, b)
	if changed > 0 {
		step := rows / changed
		a.exec(`UPDATE items SET qty = -qty WHERE id % ? = 3`, step)
		a.exec(`DELETE FROM items WHERE id % ? = 7 AND id > ?`, step, rows/2)
		a.exec(`INSERT INTO items (id, name) SELECT id + 10000000, 'new' FROM items WHERE id % ? = 4 AND id > ?`, step, rows/2)
	}
	a.seal()
	a.prune()
	return b, a
}

// What travels follows the difference and not the table.
func TestTrafficFollowsTheDifference(t *testing.T) {
	unitOnly(t)
	type cost struct{ verify, reconcile int64 }
	measure := func(rows, changed int) (c cost) {
		stale, fresh := away(t, rows, changed)
		k := &talk{from: fresh}
		if rows := stale.reconcile(k); rows > 40*changed {
			t.Errorf("%d rows came for %d that were changed", rows, changed)
		}
		converge(t, stale, fresh)
		c.reconcile = k.bytes
		stale.damaged = true
		stale.past(`UPDATE items SET name = 'lost' WHERE id = 55`)
		k = &talk{from: fresh}
		if list, _ := stale.differences(k); len(list) != 1 || list[0] != "items id=55 differs name" {
			t.Errorf("found %q", list)
		}
		c.verify = k.bytes
		t.Logf("%d rows, %d changed: one row is found with %d bytes, all are had with %d", rows, changed, c.verify, c.reconcile)
		return c
	}
	const rows = 4800
	small, large, more := measure(rows/6, 2), measure(rows, 2), measure(rows, rows/60)
	if large.verify > 3*small.verify || large.verify > 8<<10 {
		t.Errorf("a row among %d is found with %d bytes, among a sixth with %d", rows, large.verify, small.verify)
	}
	if large.reconcile > 3*small.reconcile || large.reconcile > 8<<10 {
		t.Errorf("2 of %d rows are had with %d bytes, of a sixth with %d", rows, large.reconcile, small.reconcile)
	}
	if more.reconcile < 4*large.reconcile {
		t.Errorf("%d rows took %d bytes, 2 took %d", rows/60, more.reconcile, large.reconcile)
	}
}

// A snapshot by ranges that is broken off begins anew, and what was merged is
// not fetched again; what is written meanwhile on either side stays.
func TestRangesGoOn(t *testing.T) {
	stale, fresh := away(t, 2600, 260)
	stale.exec(`INSERT INTO items (id, name) VALUES (-1, 'unsent'); UPDATE items SET note = 'unsent' WHERE id = 50`)
	ctx, cancel := context.WithCancel(t.Context())
	first := &talk{from: fresh}
	parts := 0
	first.before = func(question wire.Message) {
		if _, ok := question.(*wire.RangesRequest); ok {
			if parts++; parts == 2 {
				cancel()
			}
		}
	}
	if _, err := stale.tryReconcile(ctx, first); err == nil {
		t.Fatal("it was not broken off")
	}
	whole := 0
	second := &talk{from: fresh, before: func(wire.Message) {
		whole++
		fresh.exec(`INSERT INTO items (id, name) VALUES (?, 'later')`, 20_000_000+whole)
		fresh.exec(`UPDATE items SET name = 'later' WHERE id = ?`, whole)
		stale.exec(`INSERT INTO items (id, name) VALUES (?, 'meanwhile')`, 30_000_000+whole)
	}}
	if rows := stale.reconcile(second); rows > 1500 {
		t.Errorf("%d rows came again", rows)
	}
	converge(t, stale, fresh)
	if got := fresh.text(`SELECT group_concat(id) FROM items WHERE name = 'unsent' OR note = 'unsent'`); got != "-1,50" {
		t.Errorf("of what was not sent %s is left", got)
	}
	if got := stale.text(`SELECT count(*) FROM items WHERE name = 'later'`); got != fmt.Sprint(2*whole) {
		t.Errorf("%s of %d later rows came", got, 2*whole)
	}
}

// Where equal versions do not stand for equal rows, and where there is nothing to
// compare, a snapshot is taken whole.
func TestTakenWhole(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(fmt.Sprintf(manyItems, 10))
	a.seal()
	if _, err := b.tryReconcile(t.Context(), &talk{from: a}); err != errWhole {
		t.Errorf("an empty node: %v", err)
	}
	converge(t, a, b)
	b.exec(`DELETE FROM items`)
	b.seal()
	if _, err := b.tryReconcile(t.Context(), &talk{from: a}); err != nil {
		t.Errorf("a node that has deleted everything: %v", err)
	}
}

// Tables that cannot be compared are had whole: one whose rows have other ids on
// every node, and one that waits.
func TestTablesThatAreHadWhole(t *testing.T) {
	const schema = items + `; CREATE TABLE logs (id INTEGER PRIMARY KEY, line); CREATE TABLE late (id INTEGER PRIMARY KEY)`
	a, b := newNode(t, 1, schema), newNode(t, 2, schema)
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{}, "items")
		n.watch(cdc.WatchOptions{Policy: "append", IDs: "local"}, "logs")
		n.exec(`INSERT INTO logs (line) VALUES ('of ' || ?)`, n.path)
	}
	a.watch(cdc.WatchOptions{}, "late")
	a.exec(fmt.Sprintf(manyItems, 10))
	exchange(a, b)
	a.exec(`INSERT INTO logs (line) VALUES ('a'), ('b'); INSERT INTO late VALUES (1); DELETE FROM items WHERE id = 4`)
	a.seal()
	a.prune()
	b.reconcile(&talk{from: a})
	b.watch(cdc.WatchOptions{}, "late")
	offers, err := a.Stream(cdc.DefaultDataset).Offers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if needs, err := b.Stream(cdc.DefaultDataset).Needs(t.Context(), offers); err != nil || !needs {
		t.Fatalf("needs a snapshot: %v, %v", needs, err)
	}
	b.reconcile(&talk{from: a})
	converge(t, a, b)
	if got := b.text(`SELECT group_concat(line) FROM (SELECT line FROM logs WHERE line IN ('a', 'b') ORDER BY line)`); got != strings.Join([]string{"a", "b"}, ",") {
		t.Errorf("lines are %s", got)
	}
}

// A peer that divides a table without an end is taken whole, or not compared
// with.
func TestEndlessDivision(t *testing.T) {
	stale, fresh := away(t, 400, 40)
	lie := func(question wire.Message) (wire.Message, error) {
		q, ok := question.(*wire.FingerprintsRequest)
		if !ok {
			return fresh.Stream(cdc.DefaultDataset).Compare(t.Context(), question)
		}
		m := &wire.Fingerprints{}
		for _, r := range q.Ranges {
			all := wire.Fingerprint{To: r.To, Rows: 1 << 40, Sum: wire.Sum{1}}
			m.Ranges = append(m.Ranges, []wire.Fingerprint{all, all})
		}
		return m, nil
	}
	steps := 0
	step := stale.Stream(cdc.DefaultDataset).Reconcile(fresh.Node())
	for question, err := step(t.Context(), nil); ; steps++ {
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := question.(*wire.SnapshotRequest); ok {
			break
		}
		if steps > 1000 {
			t.Fatal("it is compared without an end")
		}
		answer, err := lie(question)
		if err != nil {
			t.Fatal(err)
		}
		question, err = step(t.Context(), answer)
		if err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	_, err := stale.Stream(cdc.DefaultDataset).Differ(t.Context(), cdc.DifferOptions{
		Found: func(cdc.Difference) error { return nil },
		Ask: func(_ context.Context, question wire.Message) (wire.Message, error) {
			if asked++; asked > 1000 {
				return nil, context.Canceled
			}
			return lie(question)
		},
	})
	if !errors.Is(err, wire.ErrInvalid) {
		t.Errorf("after %d questions: %v", asked, err)
	}
}

// One that asks of the same rows again and again in one question gets the answer
// to the first of it.
func TestOverlappingRangesAreAnsweredInPart(t *testing.T) {
	a := newNode(t, 1, items)
	a.watch(cdc.WatchOptions{}, "items")
	a.exec(fmt.Sprintf(manyItems, 9000))
	a.seal()
	m, err := a.stream().Compare(t.Context(), &wire.FingerprintsRequest{Aspect: wire.ByVersions, Table: "items", Ranges: make([]wire.KeyRange, 4096)})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(m.(*wire.Fingerprints).Ranges); n == 0 || n > 10 {
		t.Errorf("%d ranges of 9000 rows each are answered at once", n)
	}
}
