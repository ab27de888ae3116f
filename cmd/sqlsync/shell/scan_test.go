package shell

import (
	"strings"
	"testing"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteComplete is SQLite's own answer.
func sqliteComplete(t *testing.T, sql string) bool {
	t.Helper()
	tls := libc.NewTLS()
	defer tls.Close()
	p, err := libc.CString(sql + "\n")
	if err != nil {
		t.Fatal(err)
	}
	defer libc.Xfree(tls, p)
	return sqlite3.Xsqlite3_complete(tls, p) == 1
}

// scanLines feeds whole lines, as a shell reads them.
func scanLines(sql string) scanner {
	var s scanner
	for line := range strings.Lines(sql + "\n") {
		s.feed(line)
	}
	return s
}

var completions = []struct {
	sql  string
	want bool
}{
	{"", false},
	{"SELECT 1", false},
	{"SELECT 1;", true},
	{"SELECT 1; -- done", true},
	{"SELECT 1; /* done */ \n", true},
	{"SELECT 1; /* open", false},
	{"SELECT ';", false},
	{"SELECT 'it''s;';", true},
	{"SELECT \"a;\nb\"\n;", true},
	{"SELECT [a;b];", true},
	{"SELECT `a;", false},
	{"SELECT 1 -- ;", false},
	{"SELECT 1 /* ; */", false},
	{"SELECT 1; SELECT 2", false},
	{";", true},
	{"CREATE TABLE t(a);", true},
	{"CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1;", false},
	{"CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", false},
	{"CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END;", true},
	{"create temp trigger x after insert on t begin select case 1 when 1 then 2 end; end;", true},
	{"EXPLAIN CREATE TEMPORARY TRIGGER x BEGIN SELECT 1;", false},
	{"CREATE TRIGGER x BEGIN SELECT 1; /* c */ END -- c\n;", true},
	{"CREATE TRIGGER x BEGIN SELECT ';END;'; ", false},
}

func TestComplete(t *testing.T) {
	for _, c := range completions {
		s := scanLines(c.sql)
		if got := s.complete(); got != c.want {
			t.Errorf("complete(%q) = %v", c.sql, got)
		}
		if got := sqliteComplete(t, c.sql); got != c.want {
			t.Errorf("sqlite3_complete(%q) = %v", c.sql, got)
		}
	}
}

// FuzzComplete holds the scanner, fed line by line, against sqlite3_complete.
func FuzzComplete(f *testing.F) {
	for _, c := range completions {
		f.Add(c.sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if strings.IndexByte(sql, 0) >= 0 {
			t.Skip("a C string ends at NUL")
		}
		s := scanLines(sql)
		if got, want := s.complete(), sqliteComplete(t, sql); got != want {
			t.Errorf("complete(%q) = %v, sqlite3_complete says %v", sql, got, want)
		}
		if n := skipBlank(sql); n < 0 || n > len(sql) || s.blank() && n != len(sql) {
			t.Errorf("skipBlank(%q) = %d", sql, n)
		}
	})
}
