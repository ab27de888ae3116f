package shell

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// internal is the SQL condition for what `.all off` hides in sqlite_master:
// sqlsync's own tables, and its triggers and indexes on tables of the user.
const internal = ` (name LIKE 'sqlsync\_%' ESCAPE '\' OR tbl_name LIKE 'sqlsync\_%' ESCAPE '\')`

func (s *session) visible() string {
	if s.all {
		return "1"
	}
	return "NOT" + internal
}

// databases are main, temp if there is one, and what is attached.
func (s *session) databases() ([]string, error) {
	rows, err := s.c.strings("SELECT name FROM pragma_database_list ORDER BY seq")
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	var names []string
	for _, r := range rows {
		names = append(names, r[0])
	}
	return names, nil
}

// tables are the tables and views like pattern; those outside main with the
// name of their database in front, as sqlite3 lists them.
func (s *session) tables(pattern string) ([]string, error) {
	dbs, err := s.databases()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, db := range dbs {
		rows, err := s.c.strings(`SELECT name FROM ` + quoteName(db) + `.sqlite_master
			WHERE type IN ('table','view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
			AND name LIKE ` + quoteText(pattern) + ` AND ` + s.visible())
		if err != nil {
			return nil, fmt.Errorf("list tables: %w", err)
		}
		for _, r := range rows {
			if db != "main" {
				r[0] = db + "." + r[0]
			}
			names = append(names, r[0])
		}
	}
	slices.Sort(names)
	return names, nil
}

func (s *session) cmdTables(_ context.Context, args []string) error {
	pattern := "%"
	if len(args) == 1 {
		pattern = args[0]
	}
	names, err := s.tables(pattern)
	if err != nil || len(names) == 0 {
		return err
	}
	width := 0
	for _, n := range names {
		width = max(width, utf8.RuneCountInString(n))
	}
	columns := max(80/(width+2), 1)
	lines := (len(names) + columns - 1) / columns
	for i := range lines {
		for j := i; j < len(names); j += lines {
			if j >= lines {
				s.out.WriteString("  ")
			}
			fmt.Fprintf(s.out, "%-*s", width, names[j])
		}
		s.out.WriteByte('\n')
	}
	return nil
}

func (s *session) cmdSchema(_ context.Context, args []string) error {
	dbs, err := s.databases()
	if err != nil {
		return err
	}
	like := "1"
	if len(args) == 1 {
		like = "tbl_name LIKE " + quoteText(args[0])
	}
	for _, db := range dbs {
		rows, err := s.c.strings(`SELECT sql FROM ` + quoteName(db) + `.sqlite_master
			WHERE sql IS NOT NULL AND ` + like + ` AND ` + s.visible() + ` ORDER BY rowid`)
		if err != nil {
			return fmt.Errorf("read schema: %w", err)
		}
		for _, r := range rows {
			fmt.Fprintf(s.out, "%s;\n", inDatabase(db, r[0]))
		}
	}
	return nil
}

// inDatabase puts the name of a database other than main into a CREATE
// statement, which is stored without it.
func inDatabase(db, sql string) string {
	if db == "main" {
		return sql
	}
	for _, what := range []string{"TABLE", "INDEX", "UNIQUE INDEX", "VIEW", "TRIGGER", "VIRTUAL TABLE"} {
		if rest, ok := strings.CutPrefix(sql, "CREATE "+what+" "); ok {
			return "CREATE " + what + " " + nameWord(db) + "." + rest
		}
	}
	return sql
}

// columns are the columns of the tables named, or of all visible ones.
func (s *session) columns(table string) ([]string, error) {
	where := s.visible()
	if table != "" {
		where = "name = " + quoteText(table) + " COLLATE NOCASE"
	}
	rows, err := s.c.strings(`SELECT DISTINCT x.name FROM
		(SELECT name FROM sqlite_master WHERE type IN ('table','view') AND ` + where + `
		 UNION ALL SELECT name FROM sqlite_temp_master WHERE type IN ('table','view') AND ` + where + `) AS t,
		pragma_table_xinfo(t.name) AS x ORDER BY x.name`)
	if err != nil {
		return nil, fmt.Errorf("list columns: %w", err)
	}
	var names []string
	for _, r := range rows {
		names = append(names, r[0])
	}
	return names, nil
}
