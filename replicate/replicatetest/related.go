package replicatetest

// orders and lines: a parent and its children.
var orders = Table{
	Name: "orders", Policy: "lww",
	DDL: `CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER DEFAULT 0, note)`,

	Columns: []string{"id", "total", "note"}, Key: col("id"), Touches: []string{"lines"},
	Write: func(d *Draw) []Statement {
		id := d.ID()
		switch d.IntN(5) {
		case 0, 1:
			return []Statement{
				{`INSERT OR IGNORE INTO orders VALUES (?, 0, ?)`, []any{id, d.New()}},
				{`INSERT OR REPLACE INTO lines VALUES (?, 1, ?, NULL)`, []any{id, d.New()}},
			}
		case 2:
			return one(`DELETE FROM orders WHERE id = ?`, id)
		case 3:
			return one(`UPDATE OR IGNORE orders SET id = ? WHERE id = ?`, d.ID(), id)
		}
		return one(`UPDATE orders SET total = total + 1, note = ? WHERE id = ?`, d.New(), id)
	},
}

var lines = Table{
	Name: "lines", Policy: "lww",
	DDL: `CREATE TABLE lines (order_id INTEGER NOT NULL REFERENCES orders ON DELETE CASCADE ON UPDATE CASCADE, no INTEGER NOT NULL, item TEXT,
		tag TEXT REFERENCES tags ON DELETE SET NULL ON UPDATE CASCADE, PRIMARY KEY (order_id, no)) WITHOUT ROWID`,

	Columns: []string{"order_id", "no", "item", "tag"}, Key: col("order_id", "no"),
	Write: func(d *Draw) []Statement {
		switch d.IntN(4) {
		case 0:
			return one(`INSERT OR IGNORE INTO lines SELECT ?, ?, ?, name FROM tags LIMIT 1`, d.ID(), d.IntN(3), d.New())
		case 1:
			return one(`INSERT OR REPLACE INTO lines VALUES (?, ?, ?, NULL)`, d.ID(), d.IntN(3), d.New())
		case 2:
			return one(`DELETE FROM lines WHERE no = ?`, d.IntN(3))
		}
		return one(`UPDATE lines SET item = ? WHERE order_id = ?`, d.New(), d.ID())
	},
}

// loose: a key without affinity, in which 1 and 1.0 are one and '1' another,
// and a unique column of its kind.
var loose = Table{
	Name: "loose", Policy: "lww",
	DDL: `CREATE TABLE loose (k NOT NULL PRIMARY KEY, u UNIQUE, note)`,

	Columns: []string{"k", "u", "note"}, Key: col("k"), Unique: [][]Column{col("u")},
	Write: func(d *Draw) []Statement {
		k := []any{int64(1), 1.0, "1", []byte("1"), 2.5, int64(2)}[d.IntN(6)]
		switch d.IntN(5) {
		case 0, 1:
			return one(`INSERT OR IGNORE INTO loose VALUES (?, ?, ?)`, k, d.Any(), d.New())
		case 2:
			return one(`REPLACE INTO loose VALUES (?, ?, ?)`, k, d.Any(), d.New())
		case 3:
			return one(`DELETE FROM loose WHERE k = ?`, k)
		}
		return one(`UPDATE OR IGNORE loose SET u = ?, note = ? WHERE k = ?`, d.Any(), d.New(), k)
	},
}

// stock and moves: triggers of the application that write the row they fire on
// and another watched table, whose keys every node hands out for itself.
var stock = Table{
	Name: "stock", Policy: "lww",
	DDL: `CREATE TABLE stock (id INTEGER PRIMARY KEY, qty INTEGER, stamp TEXT);
		CREATE TRIGGER move AFTER UPDATE OF qty ON stock BEGIN
			INSERT INTO moves (item, qty) VALUES (NEW.id, NEW.qty);
			UPDATE stock SET stamp = 'moved to ' || NEW.qty WHERE id = NEW.id;
		END`,

	Columns: []string{"id", "qty", "stamp"}, Key: col("id"), Touches: []string{"moves"},
	Write: func(d *Draw) []Statement {
		switch d.IntN(4) {
		case 0:
			return one(`INSERT OR IGNORE INTO stock VALUES (?, 0, ?)`, d.ID(), d.New())
		case 1:
			return one(`DELETE FROM stock WHERE id = ?`, d.ID())
		}
		return one(`UPDATE stock SET qty = qty + 1 WHERE id <= ?`, d.ID())
	},
}

var moves = Table{
	Name: "moves", Policy: "row",
	DDL: `CREATE TABLE moves (id INTEGER PRIMARY KEY, item INTEGER, qty INTEGER)`,

	Columns: []string{"id", "item", "qty"}, Key: col("id"),
	Write: func(d *Draw) []Statement {
		return one(`DELETE FROM moves WHERE item = ? OR id > 30`, d.ID())
	},
}

// bins: a trigger that deletes from a watched table, which SQLite lets no one
// keep from running.
var bins = Table{
	Name: "bins", Policy: "lww",
	DDL: `CREATE TABLE bins (id INTEGER PRIMARY KEY, note);
		CREATE TRIGGER empty AFTER DELETE ON bins BEGIN
			DELETE FROM moves WHERE item = OLD.id;
		END`,

	Columns: []string{"id", "note"}, Key: col("id"), Touches: []string{"moves"}, Deletes: "moves",
	Write: func(d *Draw) []Statement {
		if d.IntN(2) == 0 {
			return one(`DELETE FROM bins WHERE id = ?`, d.ID())
		}
		return one(`INSERT OR IGNORE INTO bins VALUES (?, ?)`, d.ID(), d.New())
	},
}
