package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// What a mark says of the statement that made it.
const (
	OpInsert    = 1
	OpUpdate    = 2
	OpDelete    = 3
	OpDisplaced = 4 // a row that REPLACE may have removed
	// OpRowid has no key: a rowid was given, by which REPLACE may have removed
	// any row.
	OpRowid = 5
)

// Capture says where a table's marks go.
type Capture struct {
	Dataset, TableID int64
	// Rowids says that the application gives rowids where they are not the key,
	// so that the rows which REPLACE removes by them are looked for.
	Rowids bool
}

// Triggers spells the capture of a table: triggers that write which row was
// touched, how and when, into the dataset's oplog, and nothing else. They are
// SQL that SQLite 3.8.5 parses, name no column but the key's and those of
// UNIQUE indexes, and cannot fail where the application's statement does not:
// not even where it has dropped an index and then the columns that were in it.
func Triggers(t *Table, k Key, c Capture) []Trigger {
	b := builder{t: t, k: k, c: c}
	b.add("insert", "AFTER INSERT", "", b.mark(OpInsert, "NEW"))
	b.add("update", "AFTER UPDATE", "", b.mark(OpUpdate, "NEW"))
	// Not UPDATE OF the key: UPDATE t SET rowid = … would not match the name
	// of an INTEGER PRIMARY KEY.
	b.add("rekey", "AFTER UPDATE", b.changed(k, ""), b.mark(OpDelete, "OLD"))
	b.add("delete", "AFTER DELETE", "", b.mark(OpDelete, "OLD"))
	// REPLACE removes rows that hold a unique value of the new one, and fires
	// no trigger for them unless recursive_triggers is on.
	var rows, changes []string
	for _, u := range b.others() {
		rows = append(rows, b.displaced(u))
		changes = append(changes, b.uniqueChanged(u))
	}
	if len(rows) > 0 {
		b.add("displace_insert", "BEFORE INSERT", "", rows...)
		b.add("displace_update", "BEFORE UPDATE", anyOf(changes), rows...)
	}
	// It does so by the rowid as well, which an application may give. Hardly any
	// does, so it is only looked for where one was seen to: a trigger that names
	// its own table does not survive a RENAME TO of SQLite before 3.25.
	if r := t.rowid(); r != "" {
		row := fmt.Sprintf("INSERT INTO %soplog_%d (table_id, op, at) VALUES (%d, %d, julianday('now'))", Prefix, c.Dataset, c.TableID, OpRowid)
		if c.Rowids || len(rows) > 0 {
			row = b.displacedBy(r + " = NEW." + r)
		}
		b.add("displace_rowid_insert", "BEFORE INSERT", "NEW."+r+" <> -1", row) // SQLite is still to choose one that is -1
		b.add("displace_rowid_update", "BEFORE UPDATE OF "+strings.Join(rowidNames, ", "), "OLD."+r+" <> NEW."+r, row)
	}
	return b.list
}

var rowidNames = []string{"rowid", "oid", "_rowid_"}

// rowid is a name by which the table has a rowid that is no column, "" if it
// has none.
func (t *Table) rowid() string {
	if t.RowidAlias >= 0 || t.WithoutRowid {
		return ""
	}
	for _, name := range rowidNames {
		if !t.Has(name) {
			return name
		}
	}
	return ""
}

type builder struct {
	t    *Table
	k    Key
	c    Capture
	list []Trigger
}

// add spells a trigger. It is not ON main.…: so it would stand ALTER TABLE
// beside a TEMP table of the name, but ALTER TABLE of any table would fail
// where the file is attached, which then is not main.
func (b *builder) add(name, event, when string, statements ...string) {
	name = fmt.Sprintf("%s%d_%s", Prefix, b.c.TableID, name)
	if when != "" {
		when = " WHEN " + when
	}
	b.list = append(b.list, Trigger{name, fmt.Sprintf("CREATE TRIGGER %s %s ON %s%s BEGIN\n  %s;\nEND",
		name, event, Quote(b.t.Name), when, strings.Join(statements, ";\n  "))})
}

// into begins a mark.
func (b *builder) into() string {
	keys := make([]string, len(b.k))
	for i := range keys {
		keys[i] = fmt.Sprintf("k%d", i)
	}
	return fmt.Sprintf("INSERT INTO %soplog_%d (table_id, op, at, %s)", Prefix, b.c.Dataset, strings.Join(keys, ", "))
}

func (b *builder) key(prefix string) string {
	names := make([]string, len(b.k))
	for i, c := range b.k {
		names[i] = prefix + Quote(b.t.Columns[c].Name)
	}
	return strings.Join(names, ", ")
}

func (b *builder) mark(op int, row string) string {
	loose := b.loose(b.k)
	if len(loose) == 0 {
		return fmt.Sprintf("%s VALUES (%d, %d, julianday('now'), %s)", b.into(), b.c.TableID, op, b.key(row+"."))
	}
	keys := make([]string, len(b.k))
	for i, c := range b.k {
		keys[i] = fmt.Sprintf("(SELECT %s.%s)", row, Quote(b.t.Columns[c].Name))
	}
	return fmt.Sprintf("%s SELECT %d, %d, julianday('now'), %s FROM %s",
		b.into(), b.c.TableID, op, strings.Join(keys, ", "), b.absent(loose, row))
}

// changed compares columns, by their own collations if none is given.
func (b *builder) changed(columns []int, collate string) string {
	terms := make([]string, len(columns))
	for i, c := range columns {
		name := Quote(b.t.Columns[c].Name)
		terms[i] = fmt.Sprintf("OLD.%s IS NOT NEW.%s%s", name, name, collate)
	}
	condition := joined(terms, " OR ")
	if loose := b.loose(columns); len(loose) > 0 {
		// One within the other: of two in one FROM SQLite makes a temporary table for each row.
		return fmt.Sprintf("(SELECT (SELECT (SELECT %s) FROM %s) FROM %s)", condition, b.absent(loose, "NEW"), b.absent(loose, "OLD"))
	}
	return condition
}

func anyOf(conditions []string) string {
	if slices.Contains(conditions, "") {
		return "" // always
	}
	return joined(conditions, " OR ")
}

// joined puts conditions together, many of them as a tree: a library may be
// told to take no deep expressions, and then finds the schema malformed.
func joined(terms []string, op string) string {
	if half := len(terms) / 2; len(terms) > 6 {
		return "(" + joined(terms[:half], op) + ")" + op + "(" + joined(terms[half:], op) + ")"
	}
	return strings.Join(terms, op)
}

// others are the UNIQUE indexes by which REPLACE removes rows of other keys,
// and the rowid alias where it is not the key.
func (b *builder) others() []Index {
	var list []Index
	if r := b.t.RowidAlias; r >= 0 && !slices.Equal([]int(b.k), []int{r}) {
		list = append(list, Index{Columns: []int{r}, Collations: []string{""}})
	}
	for _, ix := range b.t.Unique {
		if !b.holdsKey(&ix) {
			list = append(list, ix)
		}
	}
	return list
}

// holdsKey reports whether rows that are equal by the index have the same key.
func (b *builder) holdsKey(ix *Index) bool {
	for _, c := range b.k {
		i := slices.Index(ix.Columns, c)
		if i < 0 || !strings.EqualFold(cmp.Or(ix.Collations[i], "BINARY"), cmp.Or(b.t.Columns[c].Collation, "BINARY")) {
			return false
		}
	}
	return true
}

// uniqueChanged is when an update may take another row's unique values; empty
// for always, as for an index whose columns are not told.
func (b *builder) uniqueChanged(ix Index) string {
	if !ix.plain() {
		return ""
	}
	return b.changed(ix.Columns, " COLLATE BINARY") // an index may tell apart what its column does not
}

// comparesAs reports whether an index on columns compares as they do.
func (t *Table) comparesAs(ix *Index) bool {
	for i, c := range ix.Columns {
		if !strings.EqualFold(cmp.Or(ix.Collations[i], "BINARY"), cmp.Or(t.Columns[c].Collation, "BINARY")) {
			return false
		}
	}
	return true
}

// displaced marks the rows that hold the new row's values in an index.
func (b *builder) displaced(ix Index) string {
	terms := make([]string, len(ix.Columns))
	columns := b.t.within(&ix)
	texts, where := indexParts(ix.SQL)
	where = b.t.restated(where)
	for i, c := range ix.Columns {
		if c < 0 {
			texts[i] = b.t.restated(texts[i])
			// Outside of a partial index its expression may not even be
			// evaluated: it can fail there.
			filter, named := "", texts[i]
			if ix.Partial {
				filter, named = " WHERE "+where, named+" "+where
			}
			if guard := b.guard(named); guard != "" {
				filter = " WHERE CASE WHEN " + guard + " THEN " + cmp.Or(where, "1") + " END"
				named += " " + guard
				columns = append(columns, b.t.named(guard)...)
			}
			terms[i] = fmt.Sprintf("%s = (SELECT %s FROM %s%s)", texts[i], texts[i], b.asRow(named), filter)
			continue
		}
		name := Quote(b.t.Columns[c].Name)
		terms[i] = fmt.Sprintf("%s = %s%s", name, newValue(&b.t.Columns[c]), b.collate(ix, i))
	}
	if ix.Partial {
		terms = append(terms, "("+where+")")
	}
	for _, c := range b.bases(ix) {
		name := Quote(b.t.Columns[c].Name)
		terms = append(terms, fmt.Sprintf("NEW.%s IS NEW.%s", name, name))
		columns = append(columns, c)
	}
	return b.displacedBy(joined(terms, " AND "), columns...)
}

// displacedBy marks the rows for which a condition on columns holds.
func (b *builder) displacedBy(where string, columns ...int) string {
	// The alias keeps a table that is called "new" apart from the new row.
	from := fmt.Sprintf("FROM %s AS %srow WHERE %s", Quote(b.t.Name), Prefix, where)
	loose := b.loose(slices.Concat(columns, b.k))
	if len(loose) == 0 {
		return fmt.Sprintf("%s SELECT %d, %d, julianday('now'), %s %s", b.into(), b.c.TableID, OpDisplaced, b.key(""), from)
	}
	keys := make([]string, len(b.k))
	for i, c := range b.k {
		keys[i] = fmt.Sprintf("(SELECT %s %s)", Quote(b.t.Columns[c].Name), from)
	}
	return fmt.Sprintf("%s SELECT %d, %d, julianday('now'), %s FROM %s WHERE EXISTS (SELECT 1 %s)",
		b.into(), b.c.TableID, OpDisplaced, strings.Join(keys, ", "), b.absent(loose, "NEW"), from)
}

// collate names the collation of an index, which a constraint may give it too,
// so that the comparison is the index's and can use it.
func (b *builder) collate(ix Index, i int) string {
	if ix.Collations[i] == "" {
		return ""
	}
	return " COLLATE " + ix.Collations[i]
}

// asRow makes a row of NEW with the columns' own names: an expression means
// the stored row where it stands for itself, and the new one inside a SELECT
// from this. It has no columns but those that text names, so that others can
// be dropped. Affinities and collations are the table's, by the SELECT that
// comes first and gives no row; NEW has none. LIMIT keeps SQLite from reading
// NEW without this, which would lose them.
func (b *builder) asRow(text string) string {
	var names, values []string
	for _, c := range b.t.named(text) {
		value, name := newValue(&b.t.Columns[c]), Quote(b.t.Columns[c].Name)
		if c == b.t.RowidAlias {
			value = b.newRowid(name)
		}
		names, values = append(names, name+" AS "+name), append(values, value)
	}
	for _, name := range rowidNames {
		if b.t.namesRowid(text, name) {
			names, values = append(names, name+" AS "+name), append(values, b.newRowid(name))
		}
	}
	if len(names) == 0 {
		return "(SELECT 1)"
	}
	return fmt.Sprintf("(SELECT %s FROM %s AS %srow WHERE 0 UNION ALL SELECT %s LIMIT 1)",
		strings.Join(names, ", "), Quote(b.t.Name), Prefix, strings.Join(values, ", "))
}

// newRowid spells the rowid of a new row, under one of its names. Before an
// insert it is -1 where SQLite is still to choose it: the next after the last,
// then, or after the last that AUTOINCREMENT remembers.
func (b *builder) newRowid(name string) string {
	last := fmt.Sprintf("SELECT coalesce(max(%s), 0) + 1 FROM %s AS %srow", name, Quote(b.t.Name), Prefix)
	if b.t.Autoincrement() {
		last = fmt.Sprintf("SELECT max((%s), coalesce((SELECT seq + 1 FROM sqlite_sequence WHERE name = %s), 1))", last, quoteText(b.t.Name))
	}
	return fmt.Sprintf("CASE NEW.%s WHEN -1 THEN (%s) ELSE NEW.%s END", name, last, name)
}
