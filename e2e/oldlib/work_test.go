package oldlib_test

// schema is an application's. Its spelling is odd so that a rewritten text
// would not be the same.
var schema = []string{
	"create  table items (id integer PRIMARY KEY, -- the number\n\tsku TEXT NOT NULL UNIQUE, name TEXT COLLATE NOCASE,\n\t[price] NUMERIC )",
	`CREATE TABLE "stock" (place TEXT, item INTEGER, qty, PRIMARY KEY (place, item)) WITHOUT ROWID`,
	`CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT, edits INTEGER DEFAULT 0)`,
	`CREATE TABLE audit (note INTEGER, edit INTEGER, was TEXT, PRIMARY KEY (note, edit))`,
	`CREATE TABLE labels (id INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES items (id) ON DELETE CASCADE, label TEXT)`,
	`CREATE TRIGGER edited AFTER UPDATE OF body ON notes BEGIN
  UPDATE notes SET edits = edits + 1 WHERE id = NEW.id;
  INSERT INTO audit SELECT id, edits, OLD.body FROM notes WHERE id = NEW.id;
END`,
	`CREATE INDEX items_name ON items (name, price DESC)`,
	`CREATE INDEX labels_item ON labels (item) WHERE label IS NOT NULL`,
	`CREATE UNIQUE INDEX labels_once ON labels (item, label COLLATE NOCASE) WHERE label IS NOT NULL`,
	`INSERT INTO items VALUES (1, 'tea', 'Tea', 450), (2, 'milk', 'Milk', 99.5), (3, 'rice', 'Rice', NULL)`,
	`INSERT INTO labels VALUES (1, 1, 'hot'), (2, 1, NULL), (3, 2, 'cold')`,
	`INSERT INTO stock VALUES ('shop', 1, 10), ('shop', 2, '5'), ('cellar', 1, 2.5), ('cellar', 3, x'00ff')`,
	`INSERT INTO notes (body) VALUES ('first'), ('second')`,
}

const tables = 5

// stage is what the application does on one of two nodes. Schema changes it
// makes on the other one too, after a row of the work has come there.
type stage struct {
	node    int
	changes []string
	work    []string
	comes   string // selects that row
}

var stages = []stage{
	{node: 0, work: []string{
		`INSERT INTO items VALUES (NULL, 'salt', 'Salt', 1), (7, 'oil', 'Olive Oil', 899)`,
		`INSERT INTO labels (item, label) VALUES (7, 'green'), (7, 'fruity'), (3, 'white')`,
		`REPLACE INTO labels (id, item, label) VALUES (20, 7, 'GREEN')`,        // removes the one before
		`UPDATE OR REPLACE labels SET label = 'Fruity', id = 21 WHERE id = 20`, // removes the other
		`INSERT OR IGNORE INTO items VALUES (30, 'oil', 'ignored', 0)`,
		`INSERT INTO items VALUES (31, 'oil', 'refused', 0)`,
		`UPDATE items SET name = 'TEA' WHERE name = 'tEa'`,
		`UPDATE items SET price = price`,
		`INSERT OR REPLACE INTO items VALUES (9, 'tea', 'Green tea', 475)`, // removes 1 and, by cascade, its labels
		`REPLACE INTO stock VALUES ('shop', 2, 6), ('shop', 9, 1)`,
		`UPDATE stock SET place = 'SHOP' WHERE place = 'cellar' AND item = 3`,
		`UPDATE OR REPLACE items SET sku = 'salt' WHERE id = 3`, // removes 8 or whichever had it
		`UPDATE items SET id = 40 WHERE id = 9`,
		`INSERT INTO notes (body) VALUES ('third'), ('fourth')`,
		`UPDATE notes SET body = body || '!' WHERE id > 1`,
		`REPLACE INTO audit (rowid, note, edit, was) SELECT min(rowid), 900, 1, 'in the place of another' FROM audit`,
		`UPDATE OR REPLACE audit SET rowid = (SELECT max(rowid) FROM audit) WHERE note = 900`, // and of the last
		`UPDATE notes SET id = -id WHERE id = 3`,
		`DELETE FROM notes WHERE id = 4`,
		`INSERT INTO stock WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) SELECT 'bulk', i, i * 0.1 FROM n`,
		`DELETE FROM stock WHERE place = 'bulk' AND item % 7 = 0`,
	}},
	{node: 1, work: []string{
		`UPDATE items SET price = 500 WHERE sku = 'tea'`,
		`DELETE FROM items WHERE id = 7`, // and two labels
		`INSERT OR REPLACE INTO items VALUES (60, 'milk', 'Oat milk', 210)`,
		`UPDATE notes SET body = 'changed over there' WHERE id = 2`,
		`INSERT INTO notes VALUES (100, 'from there', 0)`,
		`UPDATE stock SET qty = qty + 1, item = item + 1000 WHERE place = 'bulk' AND item < 50`,
		`DELETE FROM stock WHERE place = 'bulk' AND item BETWEEN 100 AND 300`,
		`INSERT INTO labels (item, label) VALUES (60, 'oats')`,
		`REPLACE INTO labels (id, item, label) VALUES (90, 60, 'OATS')`, // removes the one before
	}},
	{node: 0, work: []string{
		`BEGIN IMMEDIATE`,
		`INSERT INTO items VALUES (70, 'gone', 'never was', 0)`,
		`UPDATE stock SET qty = -1`,
		`DELETE FROM notes`,
		`ROLLBACK`,
		`BEGIN`,
		`UPDATE items SET id = -1 WHERE id = 40`,
		`INSERT INTO items VALUES (40, 'swap', 'takes the number', 3)`,
		`SAVEPOINT inner`,
		`DELETE FROM stock WHERE item IS NOT NULL`, // without WHERE, SQLite 3.8.5 counts no rows of a table WITHOUT ROWID, except with a trigger
		`ROLLBACK TO inner`,
		`RELEASE inner`,
		`DELETE FROM audit WHERE edit = 1 AND note = 2`,
		`COMMIT`,
	}},
	{node: 0, changes: []string{
		`ALTER TABLE items ADD COLUMN weight REAL DEFAULT 1.5`,
		`ALTER TABLE notes ADD COLUMN tag TEXT COLLATE NOCASE`,
		`ALTER TABLE stock ADD COLUMN counted DATETIME`,
	}, work: []string{
		`INSERT INTO items VALUES (80, 'nuts', 'Nuts', 300, 0.25)`,
		`UPDATE items SET weight = 2 WHERE sku = 'tea'`,
		`INSERT INTO notes (body, tag) VALUES ('tagged', 'Red')`,
		`UPDATE notes SET body = 'again', tag = 'red' WHERE id = 1`,
		`UPDATE stock SET counted = '2014-06-04 14:06:34' WHERE place = 'shop'`,
		`INSERT OR REPLACE INTO items (id, sku) VALUES (81, 'salt')`,
	}, comes: `SELECT id FROM items WHERE id = 81`},
	{node: 1, work: []string{
		`UPDATE items SET weight = NULL WHERE sku = 'nuts'`,
		`UPDATE notes SET tag = 'RED'`,
		`UPDATE stock SET counted = 1401890794, qty = NULL WHERE item < 3`,
		`DELETE FROM items WHERE sku = 'swap'`,
	}},
}

// refused is how often the work breaks a constraint.
const refused = 1

// contents spells every value with its type.
var contents = []string{
	`SELECT id, quote(sku), quote(name), quote(price), quote(weight) FROM items ORDER BY id`,
	`SELECT quote(place), quote(item), quote(qty), quote(counted) FROM stock ORDER BY place, item`,
	`SELECT id, quote(body), quote(edits), quote(tag) FROM notes ORDER BY id`,
	`SELECT note, edit, quote(was) FROM audit ORDER BY note, edit`,
	`SELECT id, item, quote(label) FROM labels ORDER BY id`,
}

// everything is what a file's schema says, and whether the file is sound.
var everything = []string{
	`SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name`,
	`PRAGMA integrity_check`,
	`PRAGMA foreign_key_check`,
}
