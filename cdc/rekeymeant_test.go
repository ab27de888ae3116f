package cdc_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sqlsync/cdc"
)

// rekeyNodes are nodes with some tables that are rekeyed and others that are not.
func rekeyNodes(t testing.TB, n int, ddl string, rekeyed, others []string) (nodes []*node) {
	t.Helper()
	for i := range n {
		n := newNode(t, byte(i+1), ddl)
		n.watch(cdc.WatchOptions{IDs: "rekey"}, rekeyed...)
		if len(others) > 0 {
			n.watch(cdc.WatchOptions{}, others...)
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// What a third node wrote to refer to the row that loses its id follows, also
// if it loses its own id before it hears where that row has gone, or refers to
// what goes along with it.
func TestRekeyFollowsElsewhere(t *testing.T) {
	const orders = `CREATE TABLE orders (id INTEGER PRIMARY KEY, who TEXT);`
	const lines = orders + `CREATE TABLE lines (o INTEGER REFERENCES orders, n INT, what TEXT, PRIMARY KEY (o, n));`
	for name, c := range map[string]struct {
		ddl             string
		rekeyed, others []string
		ofA, ofB, ofC   string
		query, want     string
	}{
		"child loses its id": {
			ddl: orders + `CREATE TABLE notes (id INTEGER PRIMARY KEY, o INTEGER REFERENCES orders, what TEXT)`, rekeyed: []string{"orders", "notes"},
			ofA:   `INSERT INTO orders VALUES (1, 'a'); INSERT INTO notes VALUES (1, 1, 'on a')`,
			ofB:   `INSERT INTO orders VALUES (1, 'b')`,
			ofC:   `INSERT INTO notes VALUES (1, 1, 'on b')`,
			query: `SELECT group_concat(what || ':' || coalesce(who, '-')) FROM (SELECT * FROM notes LEFT JOIN orders ON orders.id = o ORDER BY what)`,
			want:  "on a:a,on b:b",
		},
		"child has the id in its key": {
			ddl: lines, rekeyed: []string{"orders"}, others: []string{"lines"},
			ofA:   `INSERT INTO orders VALUES (1, 'a'); INSERT INTO lines VALUES (1, 1, 'of a')`,
			ofB:   `INSERT INTO orders VALUES (1, 'b')`,
			ofC:   `INSERT INTO lines VALUES (1, 1, 'of b'), (1, 2, 'of b2')`,
			query: `SELECT group_concat(what || ':' || coalesce(who, '-')) FROM (SELECT * FROM lines LEFT JOIN orders ON orders.id = o ORDER BY what)`,
			want:  "of a:a,of b:b,of b2:b",
		},
		"child refers to what goes along": {
			ddl: lines + `CREATE TABLE taxes (what TEXT PRIMARY KEY, o INT, n INT, FOREIGN KEY (o, n) REFERENCES lines)`, rekeyed: []string{"orders"}, others: []string{"lines", "taxes"},
			ofA:   `INSERT INTO orders VALUES (1, 'a'); INSERT INTO lines VALUES (1, 1, 'of a')`,
			ofB:   `INSERT INTO orders VALUES (1, 'b'); INSERT INTO lines VALUES (1, 1, 'of b'), (1, 2, 'of b2')`,
			ofC:   `INSERT INTO taxes VALUES ('b', 1, 1), ('b2', 1, 2)`,
			query: `SELECT group_concat(t.what || ':' || coalesce(l.what, '-')) FROM (SELECT * FROM taxes ORDER BY what) AS t LEFT JOIN lines AS l ON l.o = t.o AND l.n = t.n`,
			want:  "b:of b,b2:of b2",
		},
		"child of a child that goes along": {
			ddl: lines + `CREATE TABLE parts (o INT, n INT, m INT, what TEXT, PRIMARY KEY (o, n, m), FOREIGN KEY (o, n) REFERENCES lines);
				CREATE TABLE taxes (what TEXT PRIMARY KEY, o INT, n INT, m INT, FOREIGN KEY (o, n, m) REFERENCES parts)`, rekeyed: []string{"orders"}, others: []string{"lines", "parts", "taxes"},
			ofA:   `INSERT INTO orders VALUES (1, 'a')`,
			ofB:   `INSERT INTO orders VALUES (1, 'b'); INSERT INTO lines VALUES (1, 2, 'of b2'); INSERT INTO parts VALUES (1, 2, 3, 'part')`,
			ofC:   `INSERT INTO taxes VALUES ('b', 1, 2, 3)`,
			query: `SELECT group_concat(t.what || ':' || coalesce(l.what, '-')) FROM taxes AS t LEFT JOIN parts AS l ON l.o = t.o AND l.n = t.n AND l.m = t.m`,
			want:  "b:part",
		},
	} {
		orders := []string{"acb", "bac", "acb row by row"}
		if testing.Short() {
			orders = orders[:1]
		}
		for _, order := range orders {
			t.Run(name+" "+order, func(t *testing.T) {
				nodes := rekeyNodes(t, 3, c.ddl, c.rekeyed, c.others)
				a, b, third := nodes[0], nodes[1], nodes[2]
				if order == "acb row by row" { // what moves is in a batch for each row
					one := int64(1)
					b.set(cdc.DefaultDataset, cdc.DatasetChange{BatchRows: &one})
				}
				b.exec(c.ofB)
				b.seal()
				third.pull(b)
				third.exec(c.ofC)
				third.seal()
				a.exec(c.ofA) // the latest
				a.seal()
				if order != "bac" {
					third.pull(a)
					b.pull(a)
				}
				exchange(nodes...)
				converge(t, nodes...)
				for _, n := range nodes {
					if got := n.text(c.query); got != c.want {
						t.Errorf("there are %q, want %q: %+v", got, c.want, n.conflicts())
					}
					if st, err := n.Status(t.Context()); err != nil || st.Conflicts != 0 || st.Violations != 0 {
						t.Errorf("status counts %d conflicts and %d violations, %v", st.Conflicts, st.Violations, err)
					}
				}
			})
		}
	}
}

// However three nodes number, refer and meet: every row is there once or listed,
// refers to what its author meant, and what is listed names where its own row is.
func TestRekeyedRowsAreMeant(t *testing.T) {
	const ddl = `CREATE TABLE orders (id INTEGER PRIMARY KEY, label TEXT);
		CREATE TABLE lines (o INTEGER REFERENCES orders, n INTEGER, label TEXT, PRIMARY KEY (o, n));
		CREATE TABLE taxes (label TEXT PRIMARY KEY, o INTEGER, n INTEGER, FOREIGN KEY (o, n) REFERENCES lines);
		CREATE TABLE notes (id INTEGER PRIMARY KEY, o INTEGER REFERENCES orders, label TEXT)`
	eachHistory(t, func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 7))
		nodes := rekeyNodes(t, 3, ddl, []string{"orders", "notes"}, []string{"lines", "taxes"})
		var history, made []string
		for k := range 40 {
			i := random.IntN(3)
			n := nodes[i]
			at := n.text(`SELECT (SELECT id FROM orders ORDER BY abs(id * 7919 + ?) % 101 LIMIT 1)`, random.IntN(101))
			label := fmt.Sprintf("%c%d", 'a'+i, k)
			line := i // lines of one order have numbers of their own, whoever writes them
			if of := n.text(`SELECT (SELECT label FROM orders WHERE id = ?)`, at); of != "" {
				line += int(of[0])
			}
			switch random.IntN(6) {
			case 0:
				n.exec(`INSERT INTO orders (label) VALUES (?)`, label)
			case 1: // each child's label ends in its parent's
				n.exec(`INSERT OR IGNORE INTO lines SELECT id, ?1, ?2 || '/' || label FROM orders WHERE id = ?3`, line%3, label, at)
			case 2:
				n.exec(`INSERT INTO taxes SELECT ?1 || '/' || label, o, n FROM lines WHERE o = ?2 ORDER BY n LIMIT 1`, label, at)
			case 3:
				n.exec(`INSERT INTO notes (o, label) SELECT id, ?1 || '/' || label FROM orders WHERE id = ?2`, label, at)
			default:
				j := (i + 1 + random.IntN(2)) % 3
				n.seal()
				n.pull(nodes[j])
				history = append(history, fmt.Sprintf("%c pulls %c: %s", 'a'+i, 'a'+j, n.text(`SELECT group_concat(label, ' ') FROM (SELECT 'o:' || label || '@' || id AS label FROM orders UNION ALL SELECT 'l:' || label || '@' || o || '.' || n FROM lines UNION ALL
					SELECT 't:' || label || '@' || o || '.' || n FROM taxes UNION ALL SELECT 'n:' || label || '@' || id || '->' || o FROM notes)`)))
				continue
			}
			got := n.text(`SELECT group_concat(label) FROM (SELECT label || ' ' || id AS label FROM orders UNION ALL SELECT label || ' ' || o || '.' || n FROM lines UNION ALL
				SELECT label || ' on ' || o || '.' || n FROM taxes UNION ALL SELECT label || ' ' || id || ' on ' || o FROM notes) WHERE label GLOB ?1 || '[ /]*'`, label)
			history = append(history, got)
			if got != "" {
				made = append(made, strings.Fields(got)[0])
			}
		}
		exchange(nodes...)
		exchange(nodes...)
		converge(t, nodes...)
		for i, n := range nodes {
			for _, q := range []string{
				`SELECT group_concat(l.label || ' at ' || coalesce(o.label, '-'), ', ') FROM lines AS l LEFT JOIN orders AS o ON o.id = l.o WHERE o.label IS NULL OR l.label NOT LIKE '%/' || o.label`,
				`SELECT group_concat(n.label || ' at ' || coalesce(o.label, '-'), ', ') FROM notes AS n LEFT JOIN orders AS o ON o.id = n.o WHERE o.label IS NULL OR n.label NOT LIKE '%/' || o.label`,
				`SELECT group_concat(n.label || ' at ' || coalesce(o.label, '-'), ', ') FROM taxes AS n LEFT JOIN lines AS o ON o.o = n.o AND o.n = n.n WHERE o.label IS NULL OR n.label NOT LIKE '%/' || o.label`,
			} {
				if got := n.text(q); got != "" {
					t.Errorf("node %c: %s", 'a'+i, got)
				}
			}
			for _, label := range made {
				if n.text(`SELECT count(*) FROM (SELECT label FROM orders UNION ALL SELECT label FROM lines UNION ALL SELECT label FROM taxes UNION ALL SELECT label FROM notes) WHERE label = ?`, label) != "1" {
					t.Errorf("node %c: %s is not there", 'a'+i, label)
				}
			}
			for _, c := range n.conflicts() {
				if c.Kind == "row" { // an update of a row that was rekeyed
					continue
				}
				if c.Rekeyed == nil {
					t.Errorf("node %c: lists %+v", 'a'+i, c)
				} else if got, want := n.text(`SELECT (SELECT label FROM `+c.Table+` WHERE `+c.Rekeyed[0].Name+` = ? AND (label = ? OR ? > 1))`, c.Rekeyed[0].Value, labelOf(c), len(c.Rekeyed)), labelOf(c); got != want && len(c.Rekeyed) == 1 {
					t.Errorf("node %c: conflict of %s names %v, which is %q", 'a'+i, want, c.Rekeyed, got)
				}
			}
		}
		if t.Failed() {
			t.Log(strings.Join(history, "\n"))
		}
	})
}

func labelOf(c cdc.Conflict) string {
	for _, v := range c.Loser {
		if v.Name == "label" {
			return v.Value.(string)
		}
	}
	return ""
}
