package cdc_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"sqlsync/cdc"
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

// Policies are changed on one node after the other while the nodes are in sync, and
// in between some meet that merge by different ones: in the end all have the same.
func TestPoliciesChangeOneAfterTheOther(t *testing.T) {
	eachHistory(t, func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 11))
		pick := func() map[string]string {
			return map[string]string{
				"n": []string{"lww", "counter", "max", "sql:max(:local, :remote)"}[rng.IntN(4)], "doc": []string{"lww", "json"}[rng.IntN(2)], "m": []string{"lww", "min", "counter"}[rng.IntN(3)],
			}
		}
		policies := []map[string]string{pick(), pick(), pick()}
		var nodes []*node
		at := 0
		for i := range 3 {
			n := newNode(t, byte(i+1), `CREATE TABLE things (id INTEGER PRIMARY KEY, n INTEGER, doc TEXT, m INTEGER, plain)`)
			n.watch(cdc.WatchOptions{Columns: policies[0]}, "things")
			nodes = append(nodes, n)
		}
		history := []string{fmt.Sprint(policies)}
		for step := range 60 {
			i := rng.IntN(3)
			n := nodes[i]
			op := ""
			switch id := rng.IntN(3); rng.IntN(10) {
			case 0, 1, 2, 3:
				j := (i + 1 + rng.IntN(2)) % 3
				n.greet(nodes[j])
				op = fmt.Sprintf("meets %c", 'a'+j)
			case 4:
				if at < 2 {
					at++
					converge(t, nodes...)
					for _, j := range rng.Perm(3) {
						nodes[j].watch(cdc.WatchOptions{Columns: policies[at]}, "things")
						nodes[(j+1)%3].greet(nodes[j])
						nodes[j].greet(nodes[(j+2)%3])
					}
					op = fmt.Sprint("watches ", policies[at])
				}
			case 5:
				op = fmt.Sprintf(`INSERT OR IGNORE INTO things VALUES (%d, %d, '{"a":%d}', %d, %d)`, id, rng.IntN(9), step, rng.IntN(9), step)
			case 6:
				op = fmt.Sprintf(`UPDATE things SET n = n + %d WHERE id = %d`, rng.IntN(5)-2, id)
			case 7:
				op = fmt.Sprintf(`UPDATE things SET doc = json_set(doc, '$.k%d', %d) WHERE id = %d`, rng.IntN(3), step, id)
			case 8:
				op = fmt.Sprintf(`UPDATE things SET m = %d, plain = %d WHERE id = %d`, rng.IntN(9), step, id)
			default:
				op = fmt.Sprintf(`DELETE FROM things WHERE id = %d AND %d %% 3 = 0`, id, step)
			}
			if len(op) > 8 && op[:1] != "m" && op[:1] != "w" {
				n.exec(op)
				n.seal()
			}
			history = append(history, fmt.Sprintf("%c: %s: %s", 'a'+i, op, n.text(`SELECT group_concat(id || ' ' || n || ' ' || doc || ' ' || m || ' ' || plain, '; ') FROM things`)))
		}
		for range 3 {
			for _, a := range nodes {
				for _, b := range nodes {
					if a != b {
						a.greet(b)
					}
				}
			}
		}
		converge(t, nodes...)
		for _, n := range nodes {
			history = append(history, n.text(`SELECT group_concat(id || ' ' || n || ' ' || doc || ' ' || m || ' ' || plain, '; ') FROM things`))
		}
		if t.Failed() {
			for _, h := range history {
				t.Log(h)
			}
		}
	})
}
