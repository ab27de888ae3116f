package cdc_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"sqlsync/cdc"
	"sqlsync/fixtures"
)

var (
	seedFlag = flag.Uint64("seed", 0, "replay the history of this seed only")
	runsFlag = flag.Uint64("runs", 4, "how many histories to run")
)

// histories is how many are run of each kind.
func histories() uint64 {
	if testing.Short() {
		return 1
	}
	return *runsFlag
}

// Three shops sell, correct and restock, partly the same rows, and exchange
// now and then with whom they meet. In the end all hold the same.
func TestShopsConverge(t *testing.T) {
	eachHistory(t, shopsConverge)
}

// eachHistory runs the histories of some seeds.
func eachHistory(t *testing.T, run func(t *testing.T, seed uint64)) {
	first, last := uint64(1), histories()
	if *seedFlag > 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { run(t, seed) })
	}
}

func shopsConverge(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	policy := []string{"lww", "row"}[seed%2]
	var nodes []*node
	var tills []*fixtures.Workload
	for i := range 3 {
		n := newNode(t, byte(i+1), fixtures.ShopSchema)
		if i == 0 || seed%3 > 0 { // or all of them begin as copies of one file
			for _, q := range fixtures.Shop(seed) {
				n.exec(q)
			}
		}
		n.watch(cdc.WatchOptions{Policy: policy}, fixtures.ShopTables...)
		w := fixtures.NewWorkload(seed, i+1)
		w.Collide = 0.4
		nodes, tills = append(nodes, n), append(tills, w)
	}
	if seed%3 == 0 {
		converge(t, nodes...)
	}
	for range 150 {
		i := rng.IntN(len(nodes))
		if rng.IntN(4) > 0 {
			// A till may sell what another has taken away: its statement fails,
			// and the application goes on.
			if _, err := nodes[i].app.Exec(tills[i].Next()); err != nil {
				nodes[i].app.Exec(`ROLLBACK`)
			}
			continue
		}
		nodes[i].pull(nodes[(i+1+rng.IntN(2))%3])
	}
	converge(t, nodes...)
	for i, n := range nodes {
		n.checkMetadata()
		if i > 0 && len(n.conflicts()) == 0 {
			t.Logf("node %d has no conflicts", i)
		}
	}
}

// checkMetadata marks every row and checks that a seal finds nothing: rows and
// metadata say the same.
func (n *node) checkMetadata() {
	n.t.Helper()
	before, err := n.Stream(cdc.DefaultDataset).Vector(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	for _, table := range fixtures.ShopTables {
		n.exec(`UPDATE ` + table + ` SET rowid = rowid`)
	}
	n.seal()
	after, err := n.Stream(cdc.DefaultDataset).Vector(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	if a, b := before[n.Node()].Seq, after[n.Node()].Seq; a != b {
		n.t.Errorf("a seal of untouched rows made batches %d to %d", a+1, b)
	}
}

// Keys, births and unique values that collide all the time: whatever the order
// in which three nodes hear of each other's writes, they end the same, and
// every constraint of the application holds.
func TestCollisionsConverge(t *testing.T) {
	first, last := uint64(1), 2*histories()
	if *seedFlag > 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { collisionsConverge(t, seed) })
	}
}

func collisionsConverge(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	const schema = `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE COLLATE NOCASE, nick TEXT, n INTEGER, UNIQUE (nick, n));
		CREATE TABLE tags (name TEXT COLLATE NOCASE PRIMARY KEY, v) WITHOUT ROWID`
	var nodes []*node
	for i := range 3 {
		n := newNode(t, byte(i+1), schema)
		n.watch(cdc.WatchOptions{}, "users", "tags")
		nodes = append(nodes, n)
	}
	for range 120 {
		n := nodes[rng.IntN(3)]
		id, mail, nick, v := rng.IntN(6), string(rune('a'+rng.IntN(4))), string(rune('p'+rng.IntN(2))), rng.IntN(3)
		switch rng.IntN(9) {
		case 0, 1:
			n.app.Exec(`INSERT OR IGNORE INTO users VALUES (?, ?, ?, ?)`, id, mail, nick, v)
		case 2:
			n.app.Exec(`INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)`, id, mail, nick, v)
		case 3:
			n.app.Exec(`UPDATE OR IGNORE users SET mail = ? WHERE id = ?`, mail, id)
		case 4:
			n.app.Exec(`UPDATE OR REPLACE users SET nick = ?, n = ? WHERE id = ?`, nick, v, id)
		case 5:
			n.app.Exec(`DELETE FROM users WHERE id = ?`, id)
		case 6:
			n.app.Exec(`REPLACE INTO tags VALUES (?, ?)`, []string{"x", "X", "y"}[v], id)
		case 7:
			n.app.Exec(`UPDATE OR IGNORE users SET id = ? WHERE id = ?`, rng.IntN(6), id)
		case 8:
			n.pull(nodes[rng.IntN(3)])
		}
	}
	converge(t, nodes...)
	for _, n := range nodes {
		n.checkIntegrity()
	}
}

// Cells of every policy, on rows that come, go and collide, in one table.
func TestPoliciesConverge(t *testing.T) {
	first, last := uint64(1), 2*histories()
	if *seedFlag > 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { policiesConverge(t, seed) })
	}
}

func policiesConverge(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 3))
	policies := map[string]string{
		"qty": "counter", "price": "counter", "seen": "max", "doc": "json", "tags": "sql:CASE WHEN length(:local) > length(:remote) THEN :local ELSE :remote END",
	}
	began := rng.IntN(2) == 0 // with copies of one file
	var nodes []*node
	for i := range 3 {
		n := newNode(t, byte(i+1), stock)
		if began {
			n.exec(`INSERT INTO stock VALUES (1, 'tea', 10, 1.5, 100, '{"a":1}', 'green', NULL), (2, 'oil', NULL, 'x', 1, 'none', '', 1)`)
		}
		n.watch(cdc.WatchOptions{Columns: policies}, "stock")
		nodes = append(nodes, n)
	}
	docs := []string{`{"a":1}`, `{"a":2,"b":{"x":1}}`, `{"b":{"x":2,"y":3}}`, `[{"id":1},{"id":2,"v":1}]`, `[{"id":2,"v":5}]`, `[]`, `none`, `{"b":[1]}`}
	for range 100 {
		n, id := nodes[rng.IntN(3)], 1+rng.IntN(3)
		switch rng.IntN(11) {
		case 0:
			n.app.Exec(`INSERT OR IGNORE INTO stock (id, qty, seen, doc) VALUES (?, ?, ?, ?)`, id, rng.IntN(9), rng.IntN(9), docs[rng.IntN(8)])
		case 1:
			n.app.Exec(`DELETE FROM stock WHERE id = ? AND seen < 4`, id)
		case 2, 3:
			n.app.Exec(`UPDATE stock SET qty = qty + ?, price = price - 0.1 WHERE id = ?`, rng.IntN(5)-2, id)
		case 4:
			n.app.Exec(`UPDATE stock SET qty = ? WHERE id = ?`, []any{nil, "x", 7}[rng.IntN(3)], id)
		case 5:
			n.app.Exec(`UPDATE stock SET seen = ? WHERE id = ?`, rng.IntN(200), id)
		case 6, 7:
			n.app.Exec(`UPDATE stock SET doc = ? WHERE id = ?`, docs[rng.IntN(8)], id)
		case 8:
			n.app.Exec(`UPDATE stock SET tags = tags || ?, name = ? WHERE id = ?`, string(rune('a'+rng.IntN(3))), rng.IntN(5), id)
		default:
			n.pull(nodes[rng.IntN(3)])
		}
	}
	converge(t, nodes...)
	for _, n := range nodes {
		n.exec(`UPDATE stock SET rowid = rowid`)
		before := n.text(`SELECT count(*) FROM sqlsync_batch`)
		n.seal()
		if after := n.text(`SELECT count(*) FROM sqlsync_batch`); after != before {
			t.Errorf("a seal of untouched rows made a batch")
		}
	}
}
