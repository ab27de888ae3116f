package cdc_test

import (
	"database/sql"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sqlsync/cdc"
)

// partitioned are our tables that have rows of every dataset.
var partitioned = regexp.MustCompile(`(FROM|JOIN|INTO|UPDATE) sqlsync_(batch|vector|checkpoint|shared|watermark|snapshot|absent|hook_cursor)\b`)

// ofAll are the statements that mean every dataset, by a part of their text and
// with the reason.
var ofAll = map[string]string{
	`coalesce(sum(changes), 0) FROM sqlsync_batch`:            "how much a clone has got so far",
	`sealed FROM sqlsync_batch WHERE rowid = ?`:               "one batch, by its rowid",
	`DELETE FROM sqlsync_watermark WHERE remote_id`:           "a remote is removed",
	`SELECT dataset_id, heads FROM sqlsync_snapshot`:          "a remote is removed",
	`SELECT max(seq) FROM sqlsync_watermark WHERE dataset_id`: "what any remote has, of a few",
	`count(*) FROM sqlsync_watermark WHERE remote_id = ?`:     "whether a remote has confirmed anything",
	`DELETE FROM sqlsync_absent WHERE node = (SELECT`:         "a remote is removed",
	`DELETE FROM sqlsync_hook_cursor WHERE hook_id`:           "a hook is removed",
	`DELETE FROM sqlsync_snapshot WHERE peer = (SELECT`:       "a remote is removed",
	`SELECT dataset_id, origin_id FROM sqlsync_vector UNION`:  "verify goes through all chains",
	`FROM sqlsync_absent AS a JOIN sqlsync_dataset`:           "status lists those of all datasets",
	`SELECT name FROM sqlsync_table UNION SELECT name`:        "tables of any dataset, of which a log may be asked for",
}

// scans are the statements that read a partitioned table from end to end, with
// the reason.
var scans = map[string]string{
	`INSERT OR REPLACE INTO sqlsync_shared`:                  "a few rows, when a file was put back",
	`SELECT dataset_id, heads FROM sqlsync_snapshot`:         "a few rows, once",
	`coalesce(sum(changes), 0) FROM sqlsync_batch`:           "progress, now and then",
	`SELECT dataset_id, origin_id FROM sqlsync_vector UNION`: "verify goes through all chains",
	`FROM sqlsync_absent AS a JOIN sqlsync_dataset`:          "a few rows, for status",
	`DELETE FROM sqlsync_absent WHERE node = (SELECT`:        "a few rows, once",
	`DELETE FROM sqlsync_snapshot WHERE peer = (SELECT`:      "a few rows, once",
	`SELECT name FROM sqlsync_table UNION SELECT name`:       "a few rows, for a person",
	`SELECT d.name, s.file FROM sqlsync_dataset AS d`:        "a few rows, for status and verify",
}

// statements are the texts of SQL in this package, each with where it is. whole
// says that nothing is put in where it is carried out.
type statement struct {
	at, text string
	whole    bool
}

func readStatements(t *testing.T) (list []statement) {
	files := token.NewFileSet()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			text, whole, is := textOf(e)
			if is && partitioned.MatchString(text) {
				list = append(list, statement{files.Position(e.Pos()).String(), text, whole})
			}
			return !is
		})
	}
	return list
}

// textOf is the text of an expression that is put together of strings.
func textOf(e ast.Expr) (text string, whole, is bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil, err == nil
		}
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false, false
		}
		left, whole, is := textOf(e.X)
		right, too, isToo := textOf(e.Y)
		return left + right, whole && too, is || isToo
	}
	return "", false, false
}

func excused(text string, by map[string]string) bool {
	for part := range by {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// Every statement on a table that has rows of all datasets names its dataset,
// and finds them by an index: no dataset pays for what another holds.
func TestStatementsAreOfOneDataset(t *testing.T) {
	n := newNode(t, 1, items)
	n.watch(cdc.WatchOptions{}, "items")
	db, err := sql.Open("sqlite", "file:"+n.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	planned, used := 0, make(map[string]bool)
	for _, s := range readStatements(t) {
		for _, m := range []map[string]string{ofAll, scans} {
			for part := range m {
				used[part] = used[part] || strings.Contains(s.text, part)
			}
		}
		if !strings.Contains(s.text, "dataset_id") && !excused(s.text, ofAll) {
			t.Errorf("%s is of no dataset: %s", s.at, s.text)
		}
		if !s.whole || strings.Contains(s.text, "%") {
			continue
		}
		planned++
		args := make([]any, len(regexp.MustCompile(`\?`).FindAllString(s.text, -1)))
		rows, err := db.Query(`EXPLAIN QUERY PLAN `+s.text, args...)
		if err != nil {
			t.Errorf("%s: %v: %s", s.at, err, s.text)
			continue
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			how := readsPartitioned(detail, s.text)
			if how == "SCAN" && !excused(s.text, scans) || how == "SEARCH" && !excused(s.text, ofAll) {
				t.Errorf("%s: %s\n%s", s.at, detail, s.text)
			}
		}
		rows.Close()
	}
	if planned < 30 {
		t.Errorf("only %d statements were found", planned)
	}
	for part, is := range used {
		if !is {
			t.Errorf("no statement has %q any more", part)
		}
	}
}

// readsPartitioned is how a step of a plan reads a partitioned table, which may
// be called otherwise in the statement: SCAN from end to end, or SEARCH by
// something else than the dataset. It is "" for anything else.
func readsPartitioned(detail, text string) string {
	how, name, _ := strings.Cut(detail, " ")
	if strings.Contains(detail, "dataset_id=?") {
		return ""
	}
	name, _, _ = strings.Cut(name, " ")
	for _, m := range regexp.MustCompile(`(?:FROM|JOIN|INTO|UPDATE) (sqlsync_\w+)(?: AS (\w+))?`).FindAllStringSubmatch(text, -1) {
		if (m[2] == name || m[2] == "" && m[1] == name) && partitioned.MatchString("FROM "+m[1]) {
			return how
		}
	}
	return ""
}
