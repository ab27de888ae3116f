package replicatetest

// slots: three unique indexes that share columns, and values that go round within
// one transaction, two of them in opposite directions.
var slots = Table{
	Name: "slots", Policy: "lww",
	DDL: `CREATE TABLE slots (id INTEGER PRIMARY KEY, a INTEGER UNIQUE, b INTEGER UNIQUE, c TEXT, note, UNIQUE (c, b))`,

	Columns: []string{"id", "a", "b", "c", "note"}, Key: col("id"), Unique: [][]Column{col("a"), col("b"), col("c", "b")},
	Write: func(d *Draw) []Statement {
		x, y, z := d.ID(), d.ID(), d.ID()
		switch d.IntN(6) {
		case 0, 1:
			return one(`INSERT OR IGNORE INTO slots VALUES (?, ?, ?, ?, ?)`, x, y, z, d.Word(), d.New())
		case 2:
			return one(`DELETE FROM slots WHERE id = ?`, x)
		case 3: // round
			return []Statement{
				{`UPDATE slots SET a = -1 - a, b = -1 - b WHERE id IN (?, ?, ?)`, []any{x, y, z}},
				{`UPDATE OR ABORT slots SET a = (SELECT -1 - o.a FROM slots AS o WHERE o.a < 0 AND o.id <> slots.id ORDER BY o.id LIMIT 1) WHERE a < 0`, nil},
				{`UPDATE OR IGNORE slots SET b = (SELECT -1 - o.b FROM slots AS o WHERE o.b < 0 AND o.id <> slots.id ORDER BY o.id DESC LIMIT 1) WHERE b < 0`, nil},
			}
		case 4: // two columns change places
			return one(`UPDATE OR IGNORE slots SET a = b, b = a, note = ? WHERE id = ?`, d.New(), x)
		}
		return one(`UPDATE OR REPLACE slots SET a = ?, c = ? WHERE id = ?`, y, d.Word(), x)
	},
}

// vetoed: triggers that refuse what no application wrote and merging makes of it.
var vetoed = Table{
	Name: "vetoed", Policy: "lww",
	DDL: `CREATE TABLE vetoed (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, note);
		CREATE TRIGGER veto_insert BEFORE INSERT ON vetoed WHEN NEW.a + NEW.b > 4 BEGIN SELECT RAISE(ABORT, 'too much'); END;
		CREATE TRIGGER veto_update BEFORE UPDATE ON vetoed WHEN NEW.a + NEW.b > 4 BEGIN SELECT RAISE(ABORT, 'too much'); END`,
	Refuses: func(row []any) bool {
		a, _ := row[1].(int64)
		b, _ := row[2].(int64)
		return a+b > 4
	},

	Columns: []string{"id", "a", "b", "note"}, Key: col("id"),
	Write: func(d *Draw) []Statement {
		id := d.ID() / 3
		switch d.IntN(12) {
		case 0, 1:
			return one(`INSERT OR IGNORE INTO vetoed VALUES (?, ?, ?, ?)`, id, d.IntN(3), d.IntN(3), d.New())
		case 2:
			return one(`DELETE FROM vetoed WHERE id = ?`, id)
		case 3:
			return one(`UPDATE vetoed SET note = ? WHERE id = ?`, d.New(), id)
		case 4, 5, 6, 7:
			return one(`UPDATE vetoed SET a = ? WHERE id = ?`, d.IntN(5), id)
		}
		return one(`UPDATE vetoed SET b = ? WHERE id = ?`, d.IntN(5), id)
	},
}
