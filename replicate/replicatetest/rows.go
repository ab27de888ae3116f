package replicatetest

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
)

// rows are a table's rows by the canonical form of their keys.
type rows map[string][]any

// keyOf is one text for keys that SQLite holds equal.
func keyOf(columns []Column, values []any) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = same(values[i], c.NoCase)
	}
	return strings.Join(parts, "|")
}

// same is one text for values that SQLite holds equal.
func same(v any, noCase bool) string {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return fmt.Sprintf("n%d", int64(v))
		}
		return fmt.Sprintf("r%v", v)
	case string:
		if noCase {
			return "t" + strings.ToLower(v)
		}
	}
	return exact(v)
}

// exact is one text for values of one type and the same bytes.
func exact(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case int64:
		return fmt.Sprintf("n%d", v)
	case float64:
		return fmt.Sprintf("r%x", math.Float64bits(v))
	case string:
		return "t" + v
	case []byte:
		return "b" + hex.EncodeToString(v)
	}
	panic(fmt.Sprintf("%T is no value of SQLite", v))
}

// place returns where a column is in a table's rows.
func (t *Table) place(name string) int {
	for i, c := range t.Columns {
		if c == name {
			return i
		}
	}
	return -1
}

// pick returns the values of some columns of a row.
func (t *Table) pick(columns []Column, row []any) []any {
	out := make([]any, len(columns))
	for i, c := range columns {
		out[i] = row[t.place(c.Name)]
	}
	return out
}

// read reads a table as the application sees it. An expression in place of
// the bare column keeps the driver from converting it.
func (n *Node) read(t *Table) rows {
	st, err := n.prepare(`SELECT +` + strings.Join(t.Columns, `, +`) + ` FROM ` + t.Name)
	if err != nil {
		n.w.tb.Fatal(err)
	}
	r, err := st.QueryContext(background)
	if err != nil {
		n.w.tb.Fatal(err)
	}
	defer r.Close()
	out := make(rows)
	for r.Next() {
		row := make([]any, len(t.Columns))
		to := make([]any, len(row))
		for i := range row {
			to[i] = &row[i]
		}
		if err := r.Scan(to...); err != nil {
			n.w.tb.Fatal(err)
		}
		out[keyOf(t.Key, t.pick(t.Key, row))] = row
	}
	if err := r.Err(); err != nil {
		n.w.tb.Fatal(err)
	}
	return out
}
