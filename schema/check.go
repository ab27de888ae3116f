package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Check says whether rows of the table can be captured and applied by key k,
// through the connection behind q: nil, or a *Refusal with the reason and the
// remedy. It looks for NULL in the key's data. A Refusal with a Function has
// no other reason, as far as SQLite came.
func Check(ctx context.Context, q Queryer, t *Table, k Key) error {
	if err := t.checkKind(); err != nil {
		return err
	}
	if err := t.checkCollations(); err != nil {
		return err
	}
	err := t.compile(ctx, q, k)
	if r := (*Refusal)(nil); err != nil && !(errors.As(err, &r) && r.Function != "") {
		return err
	}
	if err := t.checkNulls(ctx, q, k); err != nil {
		return err
	}
	return err
}

func (t *Table) checkKind() error {
	switch {
	case t.Virtual:
		return t.refuse("it is a virtual table", "watch the table that it indexes or reads; triggers can keep the virtual one current")
	case t.Shadow:
		return t.refuse("it is the inside of a virtual table", "leave it to the virtual table")
	}
	return nil
}

// builtin are the collations that every SQLite has.
func builtin(collation string) bool {
	switch strings.ToUpper(collation) {
	case "", "BINARY", "NOCASE", "RTRIM":
		return true
	}
	return false
}

func (t *Table) checkCollations() error {
	for _, ix := range t.Unique {
		for _, c := range ix.Collations {
			if !builtin(c) {
				return t.refuseCollation(c)
			}
		}
	}
	for _, text := range append([]string{t.SQL}, t.Indexes...) {
		tokens := scan(text)
		for i, tok := range tokens {
			if tok.is("COLLATE") && i+1 < len(tokens) && !builtin(tokens[i+1].name()) {
				return t.refuseCollation(tokens[i+1].name())
			}
		}
	}
	return nil
}

func (t *Table) refuseCollation(name string) error {
	return t.refuse(fmt.Sprintf("it uses the collation %s, which only the application has", name), "use BINARY, NOCASE or RTRIM in the table and its indexes")
}

// missingWord finds what an error of SQLite's says is missing. "unknown
// function" is what it says of one in the schema; an authorizer denies what is
// only there by name.
var missingWord = regexp.MustCompile(`(?:no such|unknown|not authorized to use) (function|collation sequence|module|table|column): (.*?)(?:\(\))?(?: \(\d+\))?$`)

// MissingFunction returns the function that an error of SQLite's says a trigger
// calls and the connection does not have, "" if it says something else.
func MissingFunction(err error) string {
	if err == nil || strings.Contains(err.Error(), "unknown function") {
		return ""
	}
	if m := missingWord.FindStringSubmatch(err.Error()); m != nil && m[1] == "function" {
		return m[2]
	}
	return ""
}

// Writes spells what capture and apply do with the table, to be compiled.
func (t *Table) Writes(k Key) []string {
	name := "main." + Quote(t.Name)
	var columns, nulls, sets []string
	for _, c := range t.Stored() {
		columns = append(columns, Quote(t.Columns[c].Name))
		nulls = append(nulls, "NULL")
		sets = append(sets, Quote(t.Columns[c].Name)+" = NULL")
	}
	var where []string
	for _, c := range k {
		where = append(where, Quote(t.Columns[c].Name)+" = NULL")
	}
	filter := " WHERE " + strings.Join(where, " AND ")
	return []string{
		"SELECT * FROM " + name + filter,
		"INSERT OR ABORT INTO " + name + " (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(nulls, ", ") + ")",
		"INSERT OR ABORT INTO " + name + " DEFAULT VALUES",
		"UPDATE OR ABORT " + name + " SET " + strings.Join(sets, ", ") + filter,
		"DELETE FROM " + name + filter,
	}
}

// compile prepares what capture and apply run, so that whatever of the table
// this connection does not understand comes out now.
func (t *Table) compile(ctx context.Context, q Queryer, k Key) error {
	for _, text := range t.Writes(k) {
		err := each(ctx, q, func(*sql.Rows) error { return nil }, "EXPLAIN "+text)
		if err == nil {
			continue
		}
		if m := missingWord.FindStringSubmatch(err.Error()); m != nil {
			return &Refusal{t.Name, fmt.Sprintf("it, an index or a trigger of it uses the %s %s, which is not there for sqlsync", m[1], m[2]),
				"take it out of the table's constraints, indexes and triggers, or leave the table to the application", false, MissingFunction(err)}
		}
		return t.refuse(fmt.Sprintf("SQLite cannot write to it: %v", err), "mend the table's definition")
	}
	return nil
}

// checkNulls looks for NULL in the key: SQLite allows it in most primary keys.
func (t *Table) checkNulls(ctx context.Context, q Queryer, k Key) error {
	var where []string
	for _, c := range k {
		if c != t.RowidAlias && !t.Columns[c].NotNull && !t.WithoutRowid {
			where = append(where, Quote(t.Columns[c].Name)+" IS NULL")
		}
	}
	if len(where) == 0 {
		return nil
	}
	var n int64
	err := each(ctx, q, func(r *sql.Rows) error { return r.Scan(&n) },
		`SELECT count(*) FROM main.`+Quote(t.Name)+` WHERE `+strings.Join(where, " OR "))
	switch {
	case err != nil:
		return fmt.Errorf("look for NULL in the key of %s: %w", t.Name, err)
	case n > 0:
		return t.refuse(fmt.Sprintf("the key (%s) has NULL in %d of its rows", t.columnNames(k), n), "give these rows a key, or choose another with --key")
	}
	return nil
}

// Lacks reports whether an error of SQLite's says that the schema needs what
// the connection does not have.
func Lacks(err error) bool { return missingWord.MatchString(err.Error()) }
