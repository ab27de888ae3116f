package schema

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// Table describes a table as it is in the database.
type Table struct {
	// Name and SQL are as in sqlite_master.
	Name, SQL string
	// Columns are in their declared order, generated and hidden ones included.
	Columns []Column
	// PrimaryKey are the key's columns in the key's order, none where the table
	// has no declared primary key.
	PrimaryKey []int
	// RowidAlias is the INTEGER PRIMARY KEY column, -1 if there is none.
	RowidAlias int
	// Unique are the UNIQUE indexes, the primary key's included; an INTEGER
	// PRIMARY KEY has none.
	Unique []Index
	// Indexes are the CREATE INDEX statements.
	Indexes []string
	// ForeignKeys are the declared ones.
	ForeignKeys []ForeignKey
	// Triggers are the application's.
	Triggers []Trigger

	WithoutRowid, Strict, Virtual, Shadow bool
}

// Column is a column of a table.
type Column struct {
	Name, Type string
	Affinity   Affinity
	// Collation is the column's own, "" for BINARY and of a RowidAlias.
	Collation string
	NotNull   bool
	// Default is the text of the default, if HasDefault.
	Default    string
	HasDefault bool
	// Generated columns are computed by SQLite, Hidden ones belong to virtual
	// tables; neither is replicated.
	Generated, Hidden bool
}

// Affinity is a column's type affinity, https://www.sqlite.org/datatype3.html §3.
type Affinity int

// The affinities. Blob is that of columns without a type, too.
const (
	Blob Affinity = iota
	Text
	Numeric
	Integer
	Real
)

// TypeName returns a declared type with the affinity.
func (a Affinity) TypeName() string {
	return [...]string{"", "TEXT", "NUMERIC", "INTEGER", "REAL"}[a]
}

// Kind is TypeName where affinities that make the same comparisons have one
// name.
func (a Affinity) Kind() string {
	if a > Numeric {
		a = Numeric
	}
	return a.TypeName()
}

// affinity follows the rules of datatype3.html §3.1, in their order.
func affinity(declared string) Affinity {
	t := strings.ToUpper(declared)
	contains := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(t, w) })
	}
	switch {
	case contains("INT"):
		return Integer
	case contains("CHAR", "CLOB", "TEXT"):
		return Text
	case t == "" || contains("BLOB"):
		return Blob
	case contains("REAL", "FLOA", "DOUB"):
		return Real
	}
	return Numeric
}

// Index is a UNIQUE index.
type Index struct {
	Name string
	// Columns are its columns, -1 where it is on an expression; Collations
	// are theirs.
	Columns    []int
	Collations []string
	// Partial indexes have a WHERE; Primary is the primary key's.
	Partial, Primary bool
	// SQL is the statement that made it, "" where a constraint did.
	SQL string
}

// plain reports whether the index is on columns only and on all rows.
func (ix *Index) plain() bool { return !ix.Partial && !slices.Contains(ix.Columns, -1) }

// ForeignKey is a declared reference to another table, or the same one.
type ForeignKey struct {
	Parent string
	// Columns refer to ParentColumns; those are empty where the declaration
	// means the parent's primary key.
	Columns       []int
	ParentColumns []string
	// OnDelete and OnUpdate are SQL's words, such as CASCADE.
	OnDelete, OnUpdate string
}

// Trigger is a trigger by name and text.
type Trigger struct{ Name, SQL string }

// Stored returns the columns whose values are stored, and so replicated.
func (t *Table) Stored() []int {
	var list []int
	for i, c := range t.Columns {
		if !c.Generated && !c.Hidden {
			list = append(list, i)
		}
	}
	return list
}

// Statements returns what creates the table and its indexes on another node.
func (t *Table) Statements() []string { return append([]string{t.SQL}, t.Indexes...) }

// Key is the columns that identify a row, in order.
type Key []int

// Key chooses the key: the primary key, or by name the columns of a UNIQUE
// index on all rows, none of which can be NULL. The error is a *Refusal.
func (t *Table) Key(names []string) (Key, error) {
	if err := t.checkKind(); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return t.primaryKey()
	}
	var key Key
	for _, name := range names {
		i := t.column(name)
		if i < 0 {
			return nil, t.refuse(fmt.Sprintf("it has no column %q", name), "the columns are "+t.columnNames(t.Stored()))
		}
		if slices.Contains(key, i) {
			return nil, t.refuse(fmt.Sprintf("column %q is in the key twice", name), "name each column once")
		}
		key = append(key, i)
	}
	if sameColumns(key, t.PrimaryKey) {
		return t.primaryKey()
	}
	var other *Index
	for i := range t.Unique {
		ix := &t.Unique[i]
		if !ix.plain() || !sameColumns(ix.Columns, key) {
			continue
		}
		if !t.comparesAs(ix) {
			other = ix
			continue
		}
		for _, c := range key {
			if !t.Columns[c].NotNull {
				return nil, t.refuse(fmt.Sprintf("column %s of the key can be NULL", t.Columns[c].Name), "declare it NOT NULL, or choose another key")
			}
		}
		return Key(ix.Columns), nil
	}
	if other != nil {
		return nil, t.refuseIdentity(other)
	}
	return nil, t.refuse(fmt.Sprintf("no UNIQUE index is on exactly %s", strings.Join(names, ", ")), "create one: CREATE UNIQUE INDEX … ON "+t.Name+" ("+strings.Join(names, ", ")+")")
}

func (t *Table) primaryKey() (Key, error) {
	if len(t.PrimaryKey) > 0 {
		for i := range t.Unique {
			if ix := &t.Unique[i]; ix.Primary && !t.comparesAs(ix) {
				return nil, t.refuseIdentity(ix)
			}
		}
		return Key(t.PrimaryKey), nil
	}
	for i := range t.Unique {
		ix := &t.Unique[i]
		if ix.plain() && t.comparesAs(ix) && !slices.ContainsFunc(ix.Columns, func(c int) bool { return !t.Columns[c].NotNull }) {
			return nil, t.refuse("it has no primary key", "use its unique index: --key "+strings.ReplaceAll(t.columnNames(ix.Columns), ", ", ","))
		}
	}
	return nil, t.refuse("it has no primary key, so its rows cannot be told apart on other nodes",
		"give it a PRIMARY KEY, or a UNIQUE index on NOT NULL columns and name those with --key")
}

// refuseIdentity refuses a key by which the index takes other rows for the same
// than a comparison of its columns does.
func (t *Table) refuseIdentity(ix *Index) error {
	for i, c := range ix.Columns {
		col := &t.Columns[c]
		if own, by := cmp.Or(col.Collation, "BINARY"), cmp.Or(ix.Collations[i], "BINARY"); !strings.EqualFold(own, by) {
			return t.refuse(fmt.Sprintf("its index compares column %s of the key by %s, the column itself compares by %s", col.Name, by, own),
				fmt.Sprintf("declare the column %s COLLATE %s, or choose another key with --key", col.Name, by))
		}
	}
	return nil
}

func sameColumns(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for _, c := range a {
		if !slices.Contains(b, c) {
			return false
		}
	}
	return len(a) > 0
}

func (t *Table) column(name string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return Same(c.Name, name) })
}

func (t *Table) columnNames(list []int) string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = t.Columns[c].Name
	}
	return strings.Join(names, ", ")
}

// ExactKey reports whether keys that SQLite holds equal have equal bytes. Not
// so with NOCASE and RTRIM, nor in a column without affinity, where 1 = 1.0.
func (t *Table) ExactKey(k Key) bool {
	for _, c := range k {
		col := &t.Columns[c]
		if col.Affinity == Blob || col.Collation != "" && !strings.EqualFold(col.Collation, "BINARY") {
			return false
		}
	}
	return true
}

// Folded is one spelling of all the values that the column takes for equal, by
// the collations that SQLite has of its own.
func (c *Column) Folded(v any) any {
	switch x := v.(type) {
	case string:
		switch strings.ToUpper(c.Collation) {
		case "NOCASE":
			return Fold(x)
		case "RTRIM":
			return strings.TrimRight(x, " ")
		}
	case float64:
		if -1<<63 <= x && x < 1<<63 && x == math.Trunc(x) {
			return int64(x)
		}
	}
	return v
}

// Fingerprint names what nodes must agree about to replicate a table: the
// key's columns, their affinities and collations. Other columns are matched by
// name and may differ.
func Fingerprint(t *Table, k Key) string {
	var b strings.Builder
	for _, c := range k {
		col := &t.Columns[c]
		collation := strings.ToUpper(col.Collation)
		if collation == "" {
			collation = "BINARY"
		}
		fmt.Fprintf(&b, "%q %d %s\n", Fold(col.Name), col.Affinity, collation)
	}
	sum := blake2b.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:8])
}
