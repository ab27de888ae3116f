package schema

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"
)

type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}
type Affinity int

func (a Affinity) TypeName() string { return [...]string{"", "TEXT", "NUMERIC", "INTEGER", "REAL"}[a] }

type Column struct {
	Name, Type string
	Affinity   Affinity
	Collation  string
	NotNull    bool
	Default    string
	HasDefault bool
	Generated  int
	Hidden     bool
}
type Index struct {
	Name    string
	Columns []int
	Partial bool
	Primary bool
}
type Trigger struct{ Name, SQL string }
type Table struct {
	Name, SQL  string
	Columns    []Column
	PrimaryKey []int
	Unique     []Index
	Triggers   []Trigger
	RowidAlias int
	indexes    []string
}
type Key []int
type Refusal struct{ Table, Cause, Remedy string }

func (r *Refusal) Error() string { return r.Table + ": " + r.Cause }
func (r *Refusal) Hint() string  { return r.Remedy }

type NoTable struct{ Name string }

func (n *NoTable) Error() string { return "no such table: " + n.Name }
func (n *NoTable) Is(e error) bool { return e == ErrNoTable }

var ErrNoTable = fmt.Errorf("no such table")

const (
	OpInsert    = 1
	OpUpdate    = 2
	OpDelete    = 3
	OpDisplaced = 4
)

func Quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
func scan(ctx context.Context, q Queryer, fn func(r *sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
func Names(ctx context.Context, q Queryer) (l []string, err error) {
	err = scan(ctx, q, func(r *sql.Rows) error { var n string; e := r.Scan(&n); l = append(l, n); return e }, `select name from main.sqlite_master where type='table' and name not like 'sqlite\_%' escape '\' and name not like 'sqlsync\_%' escape '\'`)
	return
}
func aff(t string) Affinity {
	t = strings.ToUpper(t)
	switch {
	case strings.Contains(t, "INT"):
		return 3
	case strings.Contains(t, "CHAR"), strings.Contains(t, "CLOB"), strings.Contains(t, "TEXT"):
		return 1
	case t == "" || strings.Contains(t, "BLOB"):
		return 0
	case strings.Contains(t, "REAL"), strings.Contains(t, "FLOA"), strings.Contains(t, "DOUB"):
		return 4
	}
	return 2
}
func Load(ctx context.Context, q Queryer, name string) (*Table, error) {
	t := &Table{RowidAlias: -1}
	err := scan(ctx, q, func(r *sql.Rows) error { return r.Scan(&t.Name, &t.SQL) }, `select name, sql from main.sqlite_master where type='table' and name=? collate nocase`, name)
	if err != nil {
		return nil, err
	}
	if t.Name == "" {
		return nil, &NoTable{name}
	}
	pk := map[int]int{}
	err = scan(ctx, q, func(r *sql.Rows) error {
		var c Column
		var d sql.NullString
		var p, h int
		e := r.Scan(&c.Name, &c.Type, &c.NotNull, &d, &p, &h)
		c.Default, c.HasDefault = d.String, d.Valid
		c.Affinity = aff(c.Type)
		c.Generated = h
		if p > 0 {
			pk[p] = len(t.Columns)
		}
		t.Columns = append(t.Columns, c)
		return e
	}, `select name,type,"notnull",dflt_value,pk,hidden from pragma_table_xinfo(?,'main')`, t.Name)
	for i := 1; i <= len(pk); i++ {
		t.PrimaryKey = append(t.PrimaryKey, pk[i])
	}
	if len(pk) == 1 && strings.EqualFold(t.Columns[pk[1]].Type, "INTEGER") {
		t.RowidAlias = pk[1]
	}
	var us []string
	scan(ctx, q, func(r *sql.Rows) error { var n string; e := r.Scan(&n); us = append(us, n); return e }, `select name from pragma_index_list(?,'main') where "unique"`, t.Name)
	for _, n := range us {
		ix := Index{Name: n}
		scan(ctx, q, func(r *sql.Rows) error {
			var cid int
			var coll sql.NullString
			e := r.Scan(&cid, &coll)
			ix.Columns = append(ix.Columns, cid)
			if cid >= 0 {
				t.Columns[cid].Collation = coll.String
			}
			return e
		}, `select cid, coll from pragma_index_xinfo(?,'main') where key`, n)
		t.Unique = append(t.Unique, ix)
	}
	scan(ctx, q, func(r *sql.Rows) error { var n string; e := r.Scan(&n); t.indexes = append(t.indexes, n); return e }, `select sql from main.sqlite_master where type='index' and tbl_name=? and sql is not null`, t.Name)
	scan(ctx, q, func(r *sql.Rows) error { var n Trigger; e := r.Scan(&n.Name, &n.SQL); t.Triggers = append(t.Triggers, n); return e }, `select name,sql from main.sqlite_master where type='trigger' and tbl_name=? and name not like 'sqlsync\_%' escape '\'`, t.Name)
	return t, err
}
func (t *Table) Stored() (l []int) {
	for i, c := range t.Columns {
		if c.Generated == 0 {
			l = append(l, i)
		}
	}
	return
}
func (t *Table) Statements() []string { return append([]string{t.SQL}, t.indexes...) }
func (t *Table) Key(cols []string) (Key, error) {
	if len(t.PrimaryKey) == 0 {
		return nil, &Refusal{t.Name, "no primary key", "use --key"}
	}
	return Key(t.PrimaryKey), nil
}
func (t *Table) ExactKey(k Key) bool {
	for _, c := range k {
		if t.Columns[c].Affinity == 0 || (t.Columns[c].Collation != "" && t.Columns[c].Collation != "BINARY") {
			return false
		}
	}
	return true
}
func Check(ctx context.Context, q Queryer, t *Table, k Key) error { return nil }
func Fingerprint(t *Table, k Key) string {
	h := sha256.Sum256([]byte(fmt.Sprint(len(k))))
	return hex.EncodeToString(h[:4])
}

type Capture struct{ Dataset, TableID int64 }

func Triggers(t *Table, k Key, c Capture) (l []Trigger) {
	ks, news, olds, diff := "", "", "", ""
	for i, col := range k {
		n := Quote(t.Columns[col].Name)
		ks += fmt.Sprintf(",k%d", i)
		news += ",NEW." + n
		olds += ",OLD." + n
		if i > 0 {
			diff += " OR "
		}
		diff += "OLD." + n + " IS NOT NEW." + n
	}
	add := func(name, ev string, op int, vals string) {
		nm := fmt.Sprintf("sqlsync_%d_%s", c.TableID, name)
		l = append(l, Trigger{nm, fmt.Sprintf(`CREATE TRIGGER %s %s BEGIN INSERT INTO sqlsync_oplog_%d(table_id,op,at%s) VALUES (%d,%d,julianday('now')%s); END`, nm, strings.Replace(ev, "$T", Quote(t.Name), 1), c.Dataset, ks, c.TableID, op, vals)})
	}
	add("insert", "AFTER INSERT ON $T", 1, news)
	add("update", "AFTER UPDATE ON $T", 2, news)
	add("rekey", "AFTER UPDATE ON $T WHEN "+diff, 3, olds)
	add("delete", "AFTER DELETE ON $T", 3, olds)
	return
}
