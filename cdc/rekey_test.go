package cdc_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"sqlsync/cdc"
)

// collide has two nodes insert rows under the same ids at the same time, A's
// first, in tables that are rekeyed and in others, and brings them together.
func collide(t *testing.T, ddl string, rekeyed, others []string, ofA, ofB string) (a, b *node) {
	a, b = newNode(t, 1, ddl), newNode(t, 2, ddl)
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{IDs: "rekey"}, rekeyed...)
		if len(others) > 0 {
			n.watch(cdc.WatchOptions{}, others...)
		}
	}
	a.exec(ofA)
	a.seal()
	b.exec(ofB)
	converge(t, a, b)
	converge(t, a, b)
	return a, b
}

func TestRekeyFollows(t *testing.T) {
	unitOnly(t)
	const orders = `CREATE TABLE orders (id INTEGER PRIMARY KEY, who TEXT);`
	for name, c := range map[string]struct {
		ddl             string
		rekeyed, others []string
		ofA, ofB        string
		query, want     string
	}{
		"child that is rekeyed too": {
			ddl: orders + `CREATE TABLE lines (id INTEGER PRIMARY KEY, o INTEGER REFERENCES orders, what TEXT, UNIQUE (o, what))`, rekeyed: []string{"orders", "lines"},
			ofA:   `INSERT INTO orders VALUES (1, 'a'); INSERT INTO lines VALUES (1, 1, 'x'), (2, 1, 'y')`,
			ofB:   `INSERT INTO orders VALUES (1, 'b'); INSERT INTO lines VALUES (1, 1, 'x'), (2, 1, 'z')`,
			query: `SELECT group_concat(x, ' ') FROM (SELECT who || ':' || group_concat(what) AS x FROM (SELECT * FROM lines ORDER BY what) AS l JOIN orders ON orders.id = o GROUP BY who ORDER BY who)`,
			want:  "a:x,y b:x,z",
		},
		"row that refers to its own table": {
			ddl: `CREATE TABLE staff (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES staff, who TEXT)`, rekeyed: []string{"staff"},
			ofA:   `INSERT INTO staff VALUES (1, NULL, 'a'), (2, 1, 'a2')`,
			ofB:   `INSERT INTO staff VALUES (1, 1, 'b'), (2, 1, 'b2')`,
			query: `SELECT group_concat(x, ' ') FROM (SELECT s.who || ':' || coalesce(b.who, '-') AS x FROM staff AS s LEFT JOIN staff AS b ON b.id = s.boss ORDER BY s.who)`,
			want:  "a:- a2:a b:b b2:b",
		},
		"foreign key of two columns": {
			ddl:     `CREATE TABLE p (id INTEGER PRIMARY KEY, x TEXT, UNIQUE (id, x)); CREATE TABLE c (k TEXT PRIMARY KEY, pid INT, px TEXT, FOREIGN KEY (pid, px) REFERENCES p (id, x))`,
			rekeyed: []string{"p"}, others: []string{"c"},
			ofA:   `INSERT INTO p VALUES (1, 'a'); INSERT INTO c VALUES ('ca', 1, 'a')`,
			ofB:   `INSERT INTO p VALUES (1, 'b'); INSERT INTO c VALUES ('cb', 1, 'b'), ('other', 1, NULL)`,
			query: `SELECT group_concat(x, ' ') FROM (SELECT k || ':' || coalesce(p.x, '-' || pid) AS x FROM c LEFT JOIN p ON p.id = pid AND p.x = px ORDER BY k)`,
			want:  "ca:a cb:b other:-1",
		},
		"lines with the order in their key": {
			ddl:     orders + `CREATE TABLE lines (o INTEGER REFERENCES orders, n INT, what TEXT, PRIMARY KEY (o, n)); CREATE TABLE taxes (id TEXT PRIMARY KEY, o INT, n INT, FOREIGN KEY (o, n) REFERENCES lines)`,
			rekeyed: []string{"orders"}, others: []string{"lines", "taxes"},
			ofA:   `INSERT INTO orders VALUES (1, 'a'); INSERT INTO lines VALUES (1, 1, 'a1')`,
			ofB:   `INSERT INTO orders VALUES (1, 'b'); INSERT INTO lines VALUES (1, 1, 'b1'), (1, 2, 'b2'); INSERT INTO taxes VALUES ('t1', 1, 1), ('t2', 1, 2)`,
			query: `SELECT group_concat(x, ' ') FROM (SELECT who || ':' || what || ':' || coalesce(t.id, '-') AS x FROM lines AS l JOIN orders ON orders.id = l.o LEFT JOIN taxes AS t ON t.o = l.o AND t.n = l.n ORDER BY what)`,
			want:  "a:a1:- b:b1:t1 b:b2:t2",
		},
		"row that extends another": {
			ddl: orders + `CREATE TABLE extra (id INTEGER PRIMARY KEY REFERENCES orders, note TEXT)`, rekeyed: []string{"orders", "extra"},
			ofA:   `INSERT INTO orders VALUES (1, 'a'); INSERT INTO extra VALUES (1, 'of a')`,
			ofB:   `INSERT INTO orders VALUES (1, 'b'), (2, 'b2'); INSERT INTO extra VALUES (1, 'of b'), (2, 'of b2')`,
			query: `SELECT group_concat(x, ' ') FROM (SELECT who || ':' || note AS x FROM orders JOIN extra USING (id) ORDER BY who)`,
			want:  "a:of a b:of b b2:of b2",
		},
		"link between two": {
			ddl:     orders + `CREATE TABLE tags (id INTEGER PRIMARY KEY, tag TEXT); CREATE TABLE links (o INTEGER REFERENCES orders (id), t INTEGER REFERENCES tags (id), PRIMARY KEY (o, t)) WITHOUT ROWID`,
			rekeyed: []string{"orders", "tags"}, others: []string{"links"},
			ofA:   `INSERT INTO orders VALUES (1, 'a'); INSERT INTO tags VALUES (1, 'ta'); INSERT INTO links VALUES (1, 1)`,
			ofB:   `INSERT INTO orders VALUES (1, 'b'); INSERT INTO tags VALUES (1, 'tb'), (2, 'tb2'); INSERT INTO links VALUES (1, 1), (1, 2)`,
			query: `SELECT group_concat(x, ' ') FROM (SELECT who || ':' || tag AS x FROM links JOIN orders ON orders.id = o JOIN tags ON tags.id = t ORDER BY tag)`,
			want:  "a:ta b:tb b:tb2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := collide(t, c.ddl, c.rekeyed, c.others, c.ofA, c.ofB)
			for _, n := range []*node{a, b} {
				if got := n.text(c.query); got != c.want {
					t.Errorf("there are %q, want %q", got, c.want)
				}
				if st, err := n.Status(t.Context()); err != nil || st.Conflicts != 0 || st.Violations != 0 {
					t.Errorf("status counts %d conflicts and %d violations, %v: %+v", st.Conflicts, st.Violations, err, n.conflicts())
				}
			}
		})
	}
}

// What was rekeyed is listed with where it is, on every node, and cannot be put
// back over the row that has its key now.
func TestRekeyedIsListed(t *testing.T) {
	a, b := collide(t, `CREATE TABLE orders (id INTEGER PRIMARY KEY, who TEXT)`, []string{"orders"}, nil,
		`INSERT INTO orders VALUES (1, 'a'), (2, 'a2')`, `INSERT INTO orders VALUES (1, 'b')`)
	for _, n := range []*node{a, b} {
		list := n.conflicts()
		if len(list) != 1 || len(list[0].Rekeyed) != 1 || list[0].Rekeyed[0].Value != int64(3) {
			t.Fatalf("conflicts are %+v", list)
		}
		if err := n.RestoreConflict(t.Context(), list[0].ID); !errors.Is(err, cdc.ErrRekeyed) {
			t.Errorf("restore gives %v", err)
		}
		if err := n.DismissConflicts(t.Context(), list[0].ID); err != nil {
			t.Error(err)
		}
	}
}

// A row that is refused under any key stays in the list, and what refers to it
// as it was.
func TestRekeyThatIsRefused(t *testing.T) {
	a, b := collide(t, `CREATE TABLE orders (id INTEGER PRIMARY KEY, no TEXT UNIQUE); CREATE TABLE notes (id TEXT PRIMARY KEY, o INTEGER REFERENCES orders)`,
		[]string{"orders"}, []string{"notes"},
		`INSERT INTO orders VALUES (1, 'x'); INSERT INTO notes VALUES ('n', 1)`, `INSERT INTO orders VALUES (1, 'y'), (2, 'x')`)
	for _, n := range []*node{a, b} {
		if got := n.text(`SELECT group_concat(o) || ' ' || (SELECT count(*) FROM orders) FROM notes`); got != "1 2" {
			t.Errorf("the note refers to, and orders are: %s", got)
		}
		if list := n.conflicts(); len(list) != 1 || list[0].Kind != "key" || list[0].Rekeyed != nil {
			t.Errorf("conflicts are %+v", list)
		}
	}
}

// However three nodes number, refer and meet: every row is there once, and
// refers to what its author meant.
func TestRekeyKeepsReferences(t *testing.T) {
	unitOnly(t)
	const ddl = `CREATE TABLE orders (id INTEGER PRIMARY KEY, label TEXT);
		CREATE TABLE lines (o INTEGER REFERENCES orders, n INTEGER, label TEXT, PRIMARY KEY (o, n));
		CREATE TABLE notes (label TEXT PRIMARY KEY, o INTEGER REFERENCES orders)`
	for seed := range 10 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(seed), 1))
			var nodes []*node
			for i := range 3 {
				n := newNode(t, byte(i+1), ddl)
				n.watch(cdc.WatchOptions{IDs: "rekey"}, "orders")
				n.watch(cdc.WatchOptions{}, "lines", "notes")
				nodes = append(nodes, n)
			}
			made := 0
			for range 60 {
				i := random.IntN(3)
				n := nodes[i]
				made++
				switch random.IntN(5) {
				case 0:
					n.exec(fmt.Sprintf(`INSERT INTO orders (label) VALUES ('o%d')`, made))
				case 1: // each child's label ends in its parent's
					n.exec(fmt.Sprintf(`INSERT INTO lines SELECT id, %d, 'l%d/' || label FROM orders ORDER BY abs(id * 7919 + %d) %% 101 LIMIT 1`, made, made, made))
				case 2:
					n.exec(fmt.Sprintf(`INSERT INTO notes (o, label) SELECT id, 'n%d/' || label FROM orders ORDER BY abs(id * 7919 + %d) %% 101 LIMIT 1`, made, made))
				default:
					n.seal()
					n.pull(nodes[(i+1+random.IntN(2))%3])
				}
			}
			exchange(nodes...)
			exchange(nodes...)
			converge(t, nodes...)
			for _, n := range nodes {
				for _, q := range []string{
					`SELECT group_concat(l.label || ' at ' || coalesce(o.label, '-'), ', ') FROM lines AS l LEFT JOIN orders AS o ON o.id = l.o WHERE o.label IS NULL OR l.label NOT LIKE '%/' || o.label`,
					`SELECT group_concat(n.label || ' at ' || coalesce(o.label, '-'), ', ') FROM notes AS n LEFT JOIN orders AS o ON o.id = n.o WHERE o.label IS NULL OR n.label NOT LIKE '%/' || o.label`,
				} {
					if got := n.text(q); got != "" {
						t.Errorf("node %v: %s", n.Node(), got)
					}
				}
			}
		})
	}
}
