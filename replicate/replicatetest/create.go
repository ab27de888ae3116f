package replicatetest

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"

	"sqlsync/cdc"
)

// How the databases of a world begin.
const (
	empty  = iota
	copies // of one file with rows
	strangers
)

// templates are files with watched tables, by what they are: to make one takes
// longer than most histories.
var templates = make(map[string][]byte)

// create makes the node's file and opens it.
func (n *Node) create(begin int) {
	what := fmt.Sprint(n.index, begin, n.w.wal)
	for _, t := range n.w.tables {
		what += t.Name
	}
	n.path = n.newPath()
	if n.w.gradual {
		n.build(begin)
		n.open()
		for i := range n.w.tables {
			switch t := &n.w.tables[i]; {
			case n.w.rand.IntN(2) == 0:
				n.watch(t)
			case n.w.moves:
				n.watchIn(t, awayFrom)
				n.away[t.Name] = true
			}
		}
	} else if file, ok := templates[what]; ok {
		if err := os.WriteFile(n.path, file, 0o600); err != nil {
			n.w.tb.Fatal(err)
		}
		n.open()
		for _, t := range n.w.tables {
			n.watches[t.Name] = true
		}
	} else {
		n.build(begin)
		n.open()
		for i := range n.w.tables {
			n.watch(&n.w.tables[i])
		}
		n.exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
		file, err := os.ReadFile(n.path)
		if err != nil {
			n.w.tb.Fatal(err)
		}
		templates[what] = file
	}
	n.look(true)
}

// build makes a database of an application that has not met us.
func (n *Node) build(begin int) {
	db, err := sql.Open("sqlite", "file:"+n.path)
	if err != nil {
		n.w.tb.Fatal(err)
	}
	defer db.Close()
	exec := func(q string, args ...any) {
		if _, err := db.Exec(q, args...); err != nil && !refused(err) {
			n.w.tb.Fatalf("%s: %v", q, err)
		}
	}
	if n.w.wal {
		exec(`PRAGMA journal_mode = wal`)
	}
	for _, t := range n.w.tables {
		exec(t.DDL)
	}
	seed := uint64(begin)
	if begin == strangers {
		seed = 100 + uint64(n.index)
	}
	d := &Draw{Rand: rand.New(rand.NewPCG(seed, 7)), name: "base"}
	for range 40 * begin {
		for _, st := range n.w.tables[d.IntN(len(n.w.tables))].Write(d) {
			exec(st.SQL, st.Args...)
		}
	}
}

func (n *Node) watch(t *Table) {
	n.watchIn(t, cdc.DefaultDataset)
	n.watches[t.Name] = true
}

func (n *Node) watchIn(t *Table, dataset string) {
	n.enter()
	list, err := n.store.Watch(background, []string{t.Name}, cdc.WatchOptions{Dataset: dataset, Policy: t.Policy, Columns: t.Policies})
	if err == nil {
		err = list[0].Refused
	}
	if err != nil {
		n.w.tb.Fatalf("watch %s: %v", t.Name, err)
	}
}

func (n *Node) exec(q string) {
	if _, err := n.app.ExecContext(background, q); err != nil {
		n.w.tb.Fatalf("node %d: %s: %v", n.index, q, err)
	}
}
