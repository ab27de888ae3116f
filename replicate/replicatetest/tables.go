package replicatetest

import (
	"fmt"
	"math/rand/v2"
)

// Table is a table of the workload: what it is, how it merges, and what an
// application does to it. To simulate another policy, add a table here and its
// rule to the model's rules.
type Table struct {
	Name, Policy, DDL string
	Columns           []string
	// Policies are those of columns that have one of their own.
	Policies map[string]string
	Key      []Column
	Unique   [][]Column
	// Touches are the other tables that its statements may write, by foreign
	// keys.
	Touches []string
	// Deletes is the table of which its triggers delete rows, also when what
	// was written elsewhere is merged.
	Deletes string
	// Refuses says which rows its triggers refuse, nil for none.
	Refuses func(row []any) bool
	// Write makes the next statements, which are one transaction.
	Write func(*Draw) []Statement
}

// Column is a column in a key or unique index.
type Column struct {
	Name   string
	NoCase bool
}

// Statement is SQL with its arguments.
type Statement struct {
	SQL  string
	Args []any
}

// Draw is what statements are made of.
type Draw struct {
	*rand.Rand
	name string
	made int
}

// ID returns one of few keys, so that nodes meet.
func (d *Draw) ID() int64 { return d.Int64N(6) }

// Word returns one of few words, in either case.
func (d *Draw) Word() string { return []string{"a", "B", "b", "c", "C"}[d.IntN(5)] }

// New returns a value that no other statement writes.
func (d *Draw) New() string {
	d.made++
	return fmt.Sprintf("%s-%d", d.name, d.made)
}

// Any returns values of all types, some of them equal to others.
func (d *Draw) Any() any {
	return []any{nil, int64(1), 1.0, "1", []byte("1"), 0.1, "", []byte{}, d.New(), d.New()}[d.IntN(10)]
}

func one(sql string, args ...any) []Statement { return []Statement{{sql, args}} }

func col(names ...string) (list []Column) {
	for _, n := range names {
		list = append(list, Column{Name: n})
	}
	return list
}

// Tables are those of an ordinary world.
var Tables = []Table{users, seats, tags, pairs, orders, lines, loose, stock, moves, shelf}

// users: two unique indexes, one of them of two columns, one without case.
var users = Table{
	Name: "users", Policy: "lww",
	DDL: `CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE COLLATE NOCASE, nick TEXT, n INTEGER, note, UNIQUE (nick, n))`,

	Columns: []string{"id", "mail", "nick", "n", "note"}, Key: col("id"),
	Unique: [][]Column{{{"mail", true}}, col("nick", "n")},
	Write: func(d *Draw) []Statement {
		switch d.IntN(9) {
		case 0, 1:
			return one(`INSERT OR IGNORE INTO users VALUES (?, ?, ?, ?, ?)`, d.ID(), d.Word(), d.Word(), d.IntN(3), d.New())
		case 2:
			return one(`INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?, ?)`, d.ID(), d.Word(), d.Word(), d.IntN(3), d.New())
		case 3:
			return one(`UPDATE OR IGNORE users SET mail = ? WHERE id = ?`, d.Word(), d.ID())
		case 4:
			return one(`UPDATE OR REPLACE users SET nick = ?, n = ? WHERE id = ?`, d.Word(), d.IntN(3), d.ID())
		case 5:
			return one(`DELETE FROM users WHERE id = ?`, d.ID())
		case 6:
			return one(`UPDATE users SET note = ? WHERE id = ?`, d.New(), d.ID())
		case 7:
			return one(`UPDATE users SET mail = NULL, n = n + 1 WHERE id <= ?`, d.ID())
		}
		return one(`UPDATE OR REPLACE users SET id = ? WHERE id = ?`, d.ID(), d.ID())
	},
}

// seats: whole rows, and unique values that are swapped.
var seats = Table{
	Name: "seats", Policy: "row",
	DDL: `CREATE TABLE seats (id INTEGER PRIMARY KEY, seat INTEGER UNIQUE, note TEXT)`,

	Columns: []string{"id", "seat", "note"}, Key: col("id"), Unique: [][]Column{col("seat")},
	Write: func(d *Draw) []Statement {
		id, other := d.ID(), d.ID()
		switch d.IntN(7) {
		case 0, 1:
			return one(`INSERT OR REPLACE INTO seats VALUES (?, ?, ?)`, id, other, d.New())
		case 2:
			return one(`DELETE FROM seats WHERE id = ?`, id)
		case 3: // swap
			return []Statement{
				{`UPDATE seats SET seat = -1 - seat WHERE id IN (?, ?)`, []any{id, other}},
				{`UPDATE OR IGNORE seats SET seat = (SELECT -1 - o.seat FROM seats AS o WHERE o.id = CASE seats.id WHEN ?1 THEN ?2 ELSE ?1 END) WHERE id IN (?1, ?2) AND seat < 0`, []any{id, other}},
			}
		case 4: // delete and insert again
			return []Statement{
				{`DELETE FROM seats WHERE id = ?`, []any{id}},
				{`INSERT OR IGNORE INTO seats VALUES (?, ?, ?)`, []any{id, other, d.New()}},
			}
		case 5:
			return one(`UPDATE seats SET id = -id, note = ?`, d.New())
		}
		return one(`UPDATE seats SET note = ? WHERE id = ?`, d.New(), id)
	},
}

// tags: a key without case, that others refer to and follow.
var tags = Table{
	Name: "tags", Policy: "lww",
	DDL: `CREATE TABLE tags (name TEXT COLLATE NOCASE PRIMARY KEY, v, note) WITHOUT ROWID`,

	Columns: []string{"name", "v", "note"}, Key: []Column{{"name", true}}, Touches: []string{"lines"},
	Write: func(d *Draw) []Statement {
		switch d.IntN(6) {
		case 0, 1:
			return one(`INSERT OR IGNORE INTO tags VALUES (?, ?, ?)`, d.Word(), d.Any(), d.New())
		case 2:
			return one(`UPDATE OR REPLACE tags SET name = ? WHERE name = ?`, d.Word(), d.Word())
		case 3:
			return one(`DELETE FROM tags WHERE name = ?`, d.Word())
		case 4:
			return one(`REPLACE INTO tags VALUES (?, ?, ?)`, d.Word(), d.Any(), d.New())
		}
		return one(`UPDATE tags SET v = ? WHERE name = ?`, d.Any(), d.Word())
	},
}

// pairs: a key of two columns in another order, whole rows.
var pairs = Table{
	Name: "pairs", Policy: "row",
	DDL: `CREATE TABLE pairs (note, b INTEGER NOT NULL, a TEXT NOT NULL, v, PRIMARY KEY (a, b))`,

	Columns: []string{"note", "b", "a", "v"}, Key: col("a", "b"),
	Write: func(d *Draw) []Statement {
		a, b := d.Word(), d.IntN(2)
		switch d.IntN(5) {
		case 0, 1:
			return one(`INSERT OR REPLACE INTO pairs VALUES (?, ?, ?, ?)`, d.New(), b, a, d.Any())
		case 2:
			return one(`UPDATE OR REPLACE pairs SET b = 1 - b WHERE a = ?`, a)
		case 3:
			return one(`DELETE FROM pairs WHERE a = ? AND b = ?`, a, b)
		}
		return one(`UPDATE pairs SET v = ? WHERE a = ?`, d.Any(), a)
	},
}
