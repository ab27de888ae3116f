package cdc

import (
	"fmt"
	"strconv"
	"strings"

	"sqlsync/schema"
)

// tableSQL spells the statements of one table. They are texts, prepared and
// kept by the connection at first use.
type tableSQL struct {
	t *table
	// wide says that marked, readAll and verifyRows leave out the cells, which
	// are read row by row then.
	wide bool
	// marked reads the marks of a range of the oplog with the row, and of its
	// metadata whether there may be any: every column that is read costs.
	marked string
	// read reads one row's cells, or 1 where there are none.
	read string
	// remove deletes one row.
	remove string
	// readAll reads every row's key and cells.
	readAll string
}

func newTableSQL(tab *table) tableSQL {
	q := tableSQL{t: tab}
	user := "main." + schema.Quote(tab.name)
	// What marked and verifyRows read beside the cells is at most this.
	q.wide = len(tab.cells)+2*len(tab.key)+metaWidth > maxColumns
	cells := q.joinedCells()
	known, meta := `m.birth`, ` LEFT JOIN `+q.meta()+` AS m ON `+q.list("m.k%[1]d = o.k%[1]d", " AND ", len(tab.key))
	if tab.mayPack() {
		known, meta = `o.k0`, ``
	}
	q.marked = `SELECT o.rowid, o.op, o.at, ` + known + `, ` + q.list("o.k%d", ", ", len(tab.key)) + `, ` + q.keyList("+t.") + cells +
		` FROM ` + tab.ds.oplog() + ` AS o` + meta + ` LEFT JOIN ` + user + ` AS t ON ` + q.keyEquals("t.", "o.k%d") +
		` WHERE o.rowid > ? AND o.rowid <= ? AND o.table_id = ? ORDER BY o.rowid`
	where := ` WHERE ` + q.keyEquals("", "?")
	q.read = `SELECT ` + q.cellsOnly() + ` FROM ` + user + where
	q.readAll = `SELECT ` + q.keyList("+t.") + cells + ` FROM ` + user + ` AS t`
	q.remove = `DELETE FROM ` + user + where
	return q
}

// integerKey reports whether the key is an INTEGER PRIMARY KEY.
func (q tableSQL) integerKey() bool { return len(q.t.key) == 1 && q.t.key[0] == q.t.def.RowidAlias }

// meta names the table's metadata.
func (q tableSQL) meta() string { return metaName(q.t.id) }

func metaName(id int64) string { return fmt.Sprintf("sqlsync_meta_%d", id) }

// list repeats a format with the numbers 0 to n-1.
func (tableSQL) list(format, sep string, n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(parts, sep)
}

// keyList names the key columns, each after a prefix. A prefix with + makes an
// expression of it: the driver would turn a column declared DATETIME or
// BOOLEAN into something else than what is stored.
func (q tableSQL) keyList(prefix string) string {
	parts := make([]string, len(q.t.key))
	for i, c := range q.t.key {
		parts[i] = prefix + schema.Quote(q.t.def.Columns[c].Name)
	}
	return strings.Join(parts, ", ")
}

func (q tableSQL) cellList(prefix string) string {
	var b strings.Builder
	for _, c := range q.t.cells {
		b.WriteString(", " + prefix + schema.Quote(c.name))
	}
	return b.String()
}

// maxColumns is SQLITE_MAX_COLUMN as it is compiled in everywhere: how many
// columns a table has at most, and a result too.
const maxColumns = 2000

// joinedCells are the cells where a row is read together with others.
func (q tableSQL) joinedCells() string {
	if q.wide {
		return ""
	}
	return q.cellList("+t.")
}

func (q tableSQL) cellsOnly() string {
	if len(q.t.cells) == 0 {
		return "1"
	}
	return strings.TrimPrefix(q.cellList("+"), ", ")
}

// keyEquals compares each key column with a value; format may hold a %d for
// its place. The column is on the left, so its collation and affinity hold.
func (q tableSQL) keyEquals(prefix, format string) string {
	parts := make([]string, len(q.t.key))
	for i, c := range q.t.key {
		value := format
		if strings.Contains(format, "%") {
			value = fmt.Sprintf(format, i)
		}
		parts[i] = prefix + schema.Quote(q.t.def.Columns[c].Name) + " = " + value
	}
	return strings.Join(parts, " AND ")
}

// createMeta spells the table of a watched table's metadata. Its key columns
// compare as the user's do: same affinities, same collations.
func (q tableSQL) createMeta() string {
	tail := `birth INTEGER NOT NULL, birth_origin INTEGER NOT NULL, state INTEGER, version INTEGER, origin INTEGER, cells BLOB, hashes BLOB`
	if q.integerKey() {
		return `CREATE TABLE ` + q.meta() + ` (k0 INTEGER PRIMARY KEY, ` + tail + `)`
	}
	var b strings.Builder
	b.WriteString(`CREATE TABLE ` + q.meta() + ` (`)
	for i, c := range q.t.key {
		col := q.t.def.Columns[c]
		fmt.Fprintf(&b, "k%d %s", i, col.Affinity.TypeName())
		if col.Collation != "" {
			b.WriteString(" COLLATE " + schema.Quote(col.Collation))
		}
		b.WriteString(", ")
	}
	b.WriteString(tail + `, PRIMARY KEY (` + q.list("k%d", ", ", len(q.t.key)) + `)) WITHOUT ROWID`)
	return b.String()
}

// lookup reads the metadata of n keys, each row with the place of its key
// among the arguments.
func (q tableSQL) lookup(n int) string {
	k := len(q.t.key)
	row := "(%d" + strings.Repeat(", ?", k) + ")"
	return `WITH v (i, ` + q.list("k%d", ", ", k) + `) AS (VALUES ` + q.list(row, ", ", n) + `) SELECT v.i, ` +
		metaColumns("m.") + `, ` + q.list("m.k%d", ", ", k) + ` FROM v CROSS JOIN ` + q.meta() + ` AS m ON ` + q.list("m.k%[1]d = v.k%[1]d", " AND ", k)
}

// remember writes the metadata of n rows.
func (q tableSQL) remember(n int) string {
	k := len(q.t.key)
	row := "(" + strings.Repeat("?, ", k) + "?, ?, ?, ?, ?, ?, ?)"
	return `INSERT OR REPLACE INTO ` + q.meta() + ` (` + q.list("k%d", ", ", k) + `, ` + metaColumns("") + `) VALUES ` +
		strings.TrimSuffix(strings.Repeat(row+", ", n), ", ")
}

// rememberNew writes the metadata of n rows as they were born, all of one
// origin. What is not named is NULL.
func (q tableSQL) rememberNew(n int, origin int64) string {
	k := len(q.t.key)
	row := "(" + strings.Repeat("?, ", k) + "?, " + strconv.FormatInt(origin, 10) + ", ?)"
	return `INSERT OR REPLACE INTO ` + q.meta() + ` (` + q.list("k%d", ", ", k) + `, birth, birth_origin, hashes) VALUES ` +
		strings.TrimSuffix(strings.Repeat(row+", ", n), ", ")
}

// insert adds n rows with the key and some cells. OR ABORT outranks a conflict
// clause in the user's schema, which could delete or swallow rows.
func (q tableSQL) insert(cells []int, n int) string {
	names := q.keyList("")
	width := len(q.t.key)
	for _, i := range cells {
		if q.t.cells[i].key < 0 {
			names += ", " + schema.Quote(q.t.cells[i].name)
			width++
		}
	}
	row := "(?" + strings.Repeat(", ?", width-1) + ")"
	return `INSERT OR ABORT INTO main.` + schema.Quote(q.t.name) + ` (` + names + `) VALUES ` +
		strings.TrimSuffix(strings.Repeat(row+", ", n), ", ")
}

// update sets some cells of one row.
func (q tableSQL) update(cells []int) string {
	parts := make([]string, len(cells))
	for i, c := range cells {
		parts[i] = schema.Quote(q.t.cells[c].name) + " = ?"
	}
	return `UPDATE OR ABORT main.` + schema.Quote(q.t.name) + ` SET ` + strings.Join(parts, ", ") + ` WHERE ` + q.keyEquals("", "?")
}

// probe is a write for compiling only, with the number of its arguments.
type probe struct {
	sql  string
	args int
}

// probes are the writes that an apply makes.
func (q tableSQL) probes() []probe {
	all := make([]int, len(q.t.cells))
	inKey := 0
	for i := range all {
		all[i] = i
		if q.t.cells[i].key >= 0 {
			inKey++
		}
	}
	k := len(q.t.key)
	list := []probe{{q.insert(all, 1), k + len(all) - inKey}, {q.remove, k}}
	if len(all) > 0 {
		list = append(list, probe{q.update(all), len(all) + k})
	}
	return list
}
