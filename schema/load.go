package schema

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Names lists the application's tables in schema main, in the order in which
// they were made: virtual ones and their shadows too, none of SQLite's or
// sqlsync's own.
func Names(ctx context.Context, q Queryer) ([]string, error) {
	var names []string
	err := each(ctx, q, func(r *sql.Rows) error {
		var name string
		err := r.Scan(&name)
		if !reserved(name) {
			names = append(names, name)
		}
		return err
	}, `SELECT name FROM main.sqlite_master WHERE type = 'table' ORDER BY rowid`)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	return names, nil
}

// reserved reports whether a name is SQLite's or ours.
func reserved(name string) bool {
	name = Fold(name)
	return strings.HasPrefix(name, Prefix) || strings.HasPrefix(name, "sqlite_")
}

// Load describes the table of a name, whatever its case. The error is a
// *NoTable where there is none, a *Refusal where the name is something else's.
func Load(ctx context.Context, q Queryer, name string) (*Table, error) {
	t := &Table{RowidAlias: -1}
	kind := ""
	err := each(ctx, q, func(r *sql.Rows) error {
		var text sql.NullString
		err := r.Scan(&kind, &t.Name, &text)
		t.SQL = text.String
		return err
	}, `SELECT type, name, sql FROM main.sqlite_master WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE`, name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read schema: %w", err)
	case kind == "":
		return nil, missing(ctx, q, name)
	case kind == "view":
		return nil, t.refuse("it is a view", "watch the tables that it is made of")
	case reserved(t.Name):
		return nil, t.refuse("it is SQLite's or sqlsync's own", "watch tables of the application only")
	}
	for _, step := range []func(context.Context, Queryer) error{t.readKind, t.readColumns, t.readUnique, t.readCollations, t.readIndexes, t.readForeignKeys, t.readTriggers} {
		if err := step(ctx, q); err != nil {
			return nil, fmt.Errorf("read schema of %s: %w", t.Name, err)
		}
	}
	return t, nil
}

func (t *Table) readKind(ctx context.Context, q Queryer) error {
	return each(ctx, q, func(r *sql.Rows) error {
		var kind string
		err := r.Scan(&kind, &t.WithoutRowid, &t.Strict)
		t.Virtual, t.Shadow = kind == "virtual", kind == "shadow"
		return err
	}, `SELECT type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?`, t.Name)
}

func (t *Table) readColumns(ctx context.Context, q Queryer) error {
	places := make(map[int]int) // place in the key → column
	err := each(ctx, q, func(r *sql.Rows) error {
		var c Column
		var def sql.NullString
		var place, hidden int
		if err := r.Scan(&c.Name, &c.Type, &c.NotNull, &def, &place, &hidden); err != nil {
			return err
		}
		c.Default, c.HasDefault = def.String, def.Valid
		if c.Affinity = affinity(c.Type); t.Strict && strings.EqualFold(c.Type, "ANY") {
			c.Affinity = Blob // only there; elsewhere the word means NUMERIC
		}
		c.Hidden, c.Generated = hidden == 1, hidden == 2 || hidden == 3
		if place > 0 {
			places[place] = len(t.Columns)
		}
		t.Columns = append(t.Columns, c)
		return nil
	}, `SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?, 'main') ORDER BY cid`, t.Name)
	// Places are left out where PRIMARY KEY names a column again.
	for _, place := range slices.Sorted(maps.Keys(places)) {
		t.PrimaryKey = append(t.PrimaryKey, places[place])
	}
	return err
}

func (t *Table) readUnique(ctx context.Context, q Queryer) error {
	primary := false
	err := each(ctx, q, func(r *sql.Rows) error {
		var ix Index
		var origin string
		err := r.Scan(&ix.Name, &origin, &ix.Partial)
		ix.Primary = origin == "pk"
		primary = primary || ix.Primary
		t.Unique = append(t.Unique, ix)
		return err
	}, `SELECT name, origin, partial FROM pragma_index_list(?, 'main') WHERE "unique" ORDER BY seq`, t.Name)
	if err != nil {
		return err
	}
	for i := range t.Unique {
		ix := &t.Unique[i]
		if err := t.readIndex(ctx, q, ix); err != nil {
			return err
		}
	}
	// A primary key of a rowid table that needs no index is the rowid itself.
	if len(t.PrimaryKey) == 1 && !primary && !t.WithoutRowid && !t.Virtual {
		t.RowidAlias = t.PrimaryKey[0]
	}
	return nil
}

// readCollations takes the columns' collations out of the table's text; no
// PRAGMA tells them. What is in brackets is an expression's.
func (t *Table) readCollations(context.Context, Queryer) error {
	if t.Virtual {
		return nil
	}
	terms, _ := indexParts(t.SQL)
	for _, term := range terms {
		tokens := scan(term)
		if len(tokens) == 0 || slices.ContainsFunc(constraintWords, tokens[0].is) {
			continue
		}
		c := t.column(tokens[0].name())
		if c < 0 || c == t.RowidAlias {
			continue
		}
		depth := 0
		for i, tok := range tokens {
			switch {
			case tok.is("("):
				depth++
			case tok.is(")"):
				depth--
			case tok.is("COLLATE") && depth == 0 && i > 0 && i+1 < len(tokens):
				t.Columns[c].Collation = tokens[i+1].name()
			}
		}
	}
	return nil
}

func (t *Table) readIndex(ctx context.Context, q Queryer, ix *Index) error {
	err := each(ctx, q, func(r *sql.Rows) error {
		var column int
		var collation sql.NullString
		err := r.Scan(&column, &collation)
		ix.Columns = append(ix.Columns, max(column, -1))
		ix.Collations = append(ix.Collations, collation.String)
		return err
	}, `SELECT cid, coll FROM pragma_index_xinfo(?, 'main') WHERE key ORDER BY seqno`, ix.Name)
	if err != nil {
		return err
	}
	return each(ctx, q, func(r *sql.Rows) error { return r.Scan(&ix.SQL) },
		`SELECT coalesce(sql, '') FROM main.sqlite_master WHERE type = 'index' AND name = ?`, ix.Name)
}

func (t *Table) readIndexes(ctx context.Context, q Queryer) error {
	return each(ctx, q, func(r *sql.Rows) error {
		var text string
		err := r.Scan(&text)
		t.Indexes = append(t.Indexes, text)
		return err
	}, `SELECT sql FROM main.sqlite_master WHERE type = 'index' AND tbl_name = ? COLLATE NOCASE AND sql IS NOT NULL ORDER BY rowid`, t.Name)
}

func (t *Table) readForeignKeys(ctx context.Context, q Queryer) error {
	last := -1
	return each(ctx, q, func(r *sql.Rows) error {
		var id int
		var fk ForeignKey
		var from string
		var to sql.NullString
		if err := r.Scan(&id, &fk.Parent, &from, &to, &fk.OnDelete, &fk.OnUpdate); err != nil {
			return err
		}
		if id != last {
			t.ForeignKeys = append(t.ForeignKeys, fk)
			last = id
		}
		f := &t.ForeignKeys[len(t.ForeignKeys)-1]
		f.Columns = append(f.Columns, t.column(from))
		if to.Valid {
			f.ParentColumns = append(f.ParentColumns, to.String)
		}
		return nil
	}, `SELECT id, "table", "from", "to", on_delete, on_update FROM pragma_foreign_key_list(?, 'main') ORDER BY id, seq`, t.Name)
}

func (t *Table) readTriggers(ctx context.Context, q Queryer) error {
	return each(ctx, q, func(r *sql.Rows) error {
		var tr Trigger
		err := r.Scan(&tr.Name, &tr.SQL)
		if !reserved(tr.Name) {
			t.Triggers = append(t.Triggers, tr)
		}
		return err
	}, `SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY rowid`, t.Name)
}

// missing makes the error for a name that is no table's.
func missing(ctx context.Context, q Queryer, name string) error {
	names, err := Names(ctx, q)
	if err != nil {
		return err
	}
	return noTable(names, name)
}

// Find returns nil if a table's name is one of names, else a *NoTable with the
// nearest of them.
func Find(names []string, name string) error {
	if slices.ContainsFunc(names, func(n string) bool { return Same(n, name) }) {
		return nil
	}
	return noTable(names, name)
}

func noTable(names []string, name string) error {
	return &NoTable{Name: name, Near: Nearest(names, name)}
}

// Nearest lists up to three of the names that somebody may have meant by
// another, the nearest first.
func Nearest(names []string, name string) (nearest []string) {
	type near struct {
		name     string
		distance int
	}
	var list []near
	for _, n := range names {
		if d := levenshtein.ComputeDistance(strings.ToLower(n), strings.ToLower(name)); d <= max(2, len(name)/3) {
			list = append(list, near{n, d})
		}
	}
	slices.SortStableFunc(list, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
	for _, n := range list[:min(len(list), 3)] {
		nearest = append(nearest, n.name)
	}
	return nearest
}
