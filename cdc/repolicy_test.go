package cdc_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// greet is pull as a session does it: what the two watch is compared before.
func (n *node) greet(from *node) {
	n.t.Helper()
	ctx := n.t.Context()
	for _, p := range [][2]*node{{n, from}, {from, n}} {
		offers, err := p[1].Stream(cdc.DefaultDataset).Offers(ctx)
		if err != nil {
			n.t.Fatal(err)
		}
		if _, err := p[0].Stream(cdc.DefaultDataset).Agree(ctx, p[1].Node(), offers); err != nil {
			n.t.Fatal(err)
		}
	}
	n.pull(from)
}

// even compares what a policy was changed of with another node, as a session does
// when the two have greeted each other.
func (n *node) even(from *node) {
	n.t.Helper()
	ctx := n.t.Context()
	d := n.Stream(cdc.DefaultDataset)
	k := &talk{from: from}
	step := d.Even(from.Node())
	question, err := step(ctx, nil)
	for question != nil && err == nil {
		var answer wire.Message
		if answer, err = k.ask(ctx, question); err == nil {
			question, err = step(ctx, answer)
		}
	}
	if err != nil && !d.NotYet(err) {
		n.t.Fatal(err)
	}
}

func (n *node) isUneven(from *node) bool {
	n.t.Helper()
	ctx := n.t.Context()
	offers, err := from.Stream(cdc.DefaultDataset).Offers(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	uneven, err := n.Stream(cdc.DefaultDataset).Uneven(ctx, from.Node(), offers)
	if err != nil {
		n.t.Fatal(err)
	}
	return uneven
}

// evenOut lets nodes meet along edges until nothing is uneven.
func evenOut(t *testing.T, edges [][2]*node) {
	t.Helper()
	for range 12 {
		open := false
		for _, e := range edges {
			for _, p := range [][2]*node{e, {e[1], e[0]}} {
				p[0].greet(p[1])
				p[1].greet(p[0])
				p[0].even(p[1])
				open = open || p[0].isUneven(p[1])
			}
		}
		if !open {
			return
		}
	}
	t.Error("tables stay uneven")
}

const things = `CREATE TABLE things (id INTEGER PRIMARY KEY, n INTEGER, doc TEXT, m INTEGER, plain)`

const thingsText = `SELECT group_concat(id || ' ' || coalesce(n, '-') || ' ' || coalesce(doc, '-') || ' ' || coalesce(m, '-') || ' ' || coalesce(plain, '-'), '; ') FROM things`

func plainThings() cdc.WatchOptions {
	return cdc.WatchOptions{Policy: "lww", Columns: map[string]string{"n": "lww", "doc": "lww", "m": "lww"}}
}

// rewatchThings changes the policies, of columns first where rows are to be merged
// whole.
func (n *node) rewatchThings(o cdc.WatchOptions) {
	n.t.Helper()
	if o.Policy == "row" {
		n.watch(plainThings(), "things")
	}
	n.watch(o, "things")
}

// Policies are changed on one node after the other, at any time, and in between some
// meet that merge by different ones: in the end all have the same, by themselves.
func TestPoliciesChangeOneAfterTheOther(t *testing.T) {
	unitOnly(t)
	eachHistory(t, func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 11))
		pick := func() cdc.WatchOptions {
			o := plainThings()
			if rng.IntN(4) == 0 {
				return cdc.WatchOptions{Policy: "row"}
			}
			o.Columns["n"] = []string{"lww", "counter", "max", "sql:max(:local, :remote)"}[rng.IntN(4)]
			o.Columns["doc"] = []string{"lww", "json"}[rng.IntN(2)]
			o.Columns["m"] = []string{"lww", "min", "counter"}[rng.IntN(3)]
			return o
		}
		policies := []cdc.WatchOptions{pick(), pick(), pick()}
		var nodes []*node
		has := make([]int, 3)
		at := 0
		for i := range 3 {
			n := newNode(t, byte(i+1), things)
			n.rewatchThings(policies[0])
			nodes = append(nodes, n)
		}
		edges := [][2]*node{{nodes[0], nodes[1]}, {nodes[1], nodes[2]}, {nodes[2], nodes[0]}}[:2+seed%2]
		history := []string{fmt.Sprint(policies)}
		for step := range 60 {
			i := rng.IntN(3)
			n := nodes[i]
			op, write := "", false
			switch id := rng.IntN(3); rng.IntN(10) {
			case 0, 1, 2, 3:
				e := edges[rng.IntN(len(edges))]
				j := rng.IntN(2)
				e[j].greet(e[1-j])
				if rng.IntN(2) == 0 {
					e[1-j].greet(e[j])
					e[j].even(e[1-j])
				}
				op = fmt.Sprintf("%v meets %v", e[j].Node(), e[1-j].Node())
			case 4:
				if has[i] == at && at < len(policies)-1 {
					at++
				}
				if has[i] < at {
					has[i]++
					n.rewatchThings(policies[has[i]])
					op = fmt.Sprint("watches ", policies[has[i]])
				}
			case 5:
				op, write = fmt.Sprintf(`INSERT OR IGNORE INTO things VALUES (%d, %d, '{"a":%d}', %d, %d)`, id, rng.IntN(9), step, rng.IntN(9), step), true
			case 6:
				op, write = fmt.Sprintf(`UPDATE things SET n = n + %d WHERE id = %d`, rng.IntN(5)-2, id), true
			case 7:
				op, write = fmt.Sprintf(`UPDATE things SET doc = json_set(doc, '$.k%d', %d) WHERE id = %d`, rng.IntN(3), step, id), true
			case 8:
				op, write = fmt.Sprintf(`UPDATE things SET m = %d, plain = %d WHERE id = %d`, rng.IntN(9), step, id), true
			default:
				op, write = fmt.Sprintf(`DELETE FROM things WHERE id = %d AND %d %% 3 = 0`, id, step), true
			}
			if write {
				n.exec(op)
				n.seal()
			}
			history = append(history, fmt.Sprintf("%c: %s: %s", 'a'+i, op, n.text(thingsText)))
		}
		for i, n := range nodes {
			for has[i] < at {
				has[i]++
				n.rewatchThings(policies[has[i]])
			}
		}
		evenOut(t, edges)
		converge(t, nodes...)
		for _, n := range nodes {
			n.seal()
			for _, o := range nodes {
				if n != o {
					n.even(o)
				}
			}
			history = append(history, n.text(thingsText))
		}
		converge(t, nodes...)
		if t.Failed() {
			for _, h := range history {
				t.Log(h)
			}
		}
	})
}
