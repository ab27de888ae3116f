package replicatetest

// shelf: cells that merge otherwise than by their last writer. What they come
// to is package cell's; here they must be the same everywhere.
var shelf = Table{
	Name: "shelf", Policy: "lww",
	Policies: map[string]string{
		"n": "counter", "top": "max", "doc": "json",
		"tag": "sql:CASE WHEN length(:local) > length(:remote) THEN :local ELSE :remote END",
	},
	DDL: `CREATE TABLE shelf (id INTEGER PRIMARY KEY, n INTEGER, top INTEGER, doc TEXT, tag TEXT, note)`,

	Columns: []string{"id", "n", "top", "doc", "tag", "note"}, Key: col("id"),
	Write: func(d *Draw) []Statement {
		id := d.ID()
		doc := []string{`{"a":1}`, `{"a":{"x":1},"b":2}`, `[{"id":1},{"id":"y","v":2}]`, `[{"id":1,"v":3}]`, `none`, `{"b":[1],"a":null}`}[d.IntN(6)]
		switch d.IntN(8) {
		case 0, 1:
			return one(`INSERT OR IGNORE INTO shelf VALUES (?, ?, ?, ?, ?, ?)`, id, d.IntN(9), d.IntN(9), doc, d.Word(), d.New())
		case 2:
			return one(`DELETE FROM shelf WHERE id = ?`, id)
		case 3:
			return one(`UPDATE shelf SET n = n + ?, top = top + 1 WHERE id = ?`, d.IntN(5)-2, id)
		case 4:
			return one(`UPDATE shelf SET n = ? WHERE id = ?`, d.Any(), id)
		case 5:
			return one(`UPDATE shelf SET tag = tag || ?, note = ? WHERE id = ?`, d.Word(), d.New(), id)
		}
		return one(`UPDATE shelf SET doc = ? WHERE id = ?`, doc, id)
	},
}
