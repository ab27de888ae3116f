package cdc_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"sqlsync/cdc"
)

// Whatever order nodes hear of one another in, what an application wrote or
// somebody restored is in the table, was replaced by somebody who read it, or is
// listed, unless people took it off a list.
func TestEveryWriteIsFound(t *testing.T) {
	unitOnly(t)
	eachHistory(t, everyWriteIsFound)
}

func everyWriteIsFound(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	var nodes []*node
	written, replaced := make(map[string]bool), make(map[string]bool)
	for i := range 5 {
		n := newNode(t, byte(i+1), `CREATE TABLE cells (id INTEGER PRIMARY KEY, a, b)`)
		if seed%3 == 0 {
			token := fmt.Sprintf("%c", 'a'+i)
			n.exec(`INSERT INTO cells VALUES (1, ?, ?)`, token+"a", token+"b")
			written[token+"a"], written[token+"b"] = true, true
		}
		n.watch(cdc.WatchOptions{Policy: []string{"lww", "row"}[seed%2]}, "cells")
		nodes = append(nodes, n)
	}
	var history []string
	for step := range 40 {
		i := rng.IntN(len(nodes))
		n := nodes[i]
		if rng.IntN(5) < 3 {
			j := (i + 1 + rng.IntN(len(nodes)-1)) % len(nodes)
			n.pull(nodes[j])
			history = append(history, fmt.Sprintf("%c pulls %c: %s", 'a'+i, 'a'+j, n.text(`SELECT (SELECT a || ' ' || b FROM cells)`)))
			continue
		}
		token := fmt.Sprintf("%c%d", 'a'+i, step)
		if list := n.conflicts(); len(list) > 0 && rng.IntN(3) == 0 {
			history = append(history, settleOne(n, list[rng.IntN(len(list))], rng.IntN(4), replaced))
			continue
		}
		a, b := n.text(`SELECT (SELECT a FROM cells)`), n.text(`SELECT (SELECT b FROM cells)`)
		op := "update"
		switch k := rng.IntN(8); {
		case a == "" || k < 2:
			op = "replace"
			n.exec(`REPLACE INTO cells VALUES (1, ?, ?)`, token+"a", token+"b")
			written[token+"a"], written[token+"b"] = true, true
			replaced[a], replaced[b] = true, true
		case k == 2:
			op = "delete"
			n.exec(`DELETE FROM cells`)
			replaced[a], replaced[b] = true, true
		case k < 6:
			n.exec(`UPDATE cells SET a = ?`, token+"a")
			written[token+"a"], replaced[a] = true, true
		default:
			n.exec(`UPDATE cells SET b = ?`, token+"b")
			written[token+"b"], replaced[b] = true, true
		}
		n.seal()
		history = append(history, fmt.Sprintf("%c %ss %s %s: %s", 'a'+i, op, a, b, token))
	}
	converge(t, nodes...)
	found := map[string]bool{nodes[0].text(`SELECT (SELECT a FROM cells)`): true, nodes[0].text(`SELECT (SELECT b FROM cells)`): true}
	for _, n := range nodes {
		for _, c := range n.conflicts() {
			for _, cell := range slices.Concat(c.Winner, c.Loser) {
				if s, ok := cell.Value.(string); ok {
					found[s] = true
				}
			}
		}
	}
	for token := range written {
		if !found[token] && !replaced[token] {
			t.Errorf("%s is lost and not listed", token)
		}
	}
	if t.Failed() {
		for _, h := range history {
			t.Log(h)
		}
		t.Logf("%v stand or are listed", found)
	}
}

// settleOne lets people look at a conflict, and notes what they decide.
func settleOne(n *node, c cdc.Conflict, how int, replaced map[string]bool) string {
	n.t.Helper()
	was := []string{n.text(`SELECT (SELECT a FROM cells)`), n.text(`SELECT (SELECT b FROM cells)`)}
	var err error
	done := "dismisses"
	if how == 0 {
		err = n.DismissConflicts(n.t.Context(), c.ID)
	} else {
		done = "restores"
		err = n.RestoreConflict(n.t.Context(), c.ID)
	}
	if err != nil {
		n.t.Fatalf("%s %+v: %v", done, c, err)
	}
	for _, cell := range c.Loser {
		if s, ok := cell.Value.(string); ok {
			replaced[s] = how == 0
		}
	}
	is := []string{n.text(`SELECT (SELECT a FROM cells)`), n.text(`SELECT (SELECT b FROM cells)`)}
	for i := range was {
		if was[i] != is[i] {
			replaced[was[i]] = true
		}
	}
	return fmt.Sprintf("%v %s %s %+v over %s: %s", n.Node(), done, c.ID, c.Loser, was, is)
}
