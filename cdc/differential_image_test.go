package cdc_test

import (
	"bytes"
	"cmp"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"sqlsync/fixtures/generate"
)

// image is a table's content: every value by type and bytes, as plain SQL
// tells them.
type image struct {
	stored []string       // columns that are not generated, in lower case
	rows   map[string]row // by the text of the key, see identity
}

// row is values by column, in lower case; generated columns are there too.
type row map[string]cellText

// cellText is a value's type and its bytes in hexadecimal.
type cellText string

func (d *trial) image(n *node, table generate.Table) *image {
	d.Helper()
	im := &image{rows: make(map[string]row)}
	var names, parts []string
	d.query(n, func(v []any) {
		name := v[0].(string)
		names = append(names, lower(name))
		if v[1].(int64) == 0 {
			im.stored = append(im.stored, lower(name))
		}
		parts = append(parts, selectCell(name))
	}, `SELECT name, hidden FROM pragma_table_xinfo(?)`, table.Name)
	d.query(n, func(v []any) {
		r := make(row)
		for i, name := range names {
			r[name] = cellOf(v[2*i].(string), v[2*i+1])
		}
		id := identity(table.Key, r)
		if im.rows[id] != nil {
			d.Errorf("%q has the key %s twice", table.Name, id)
		}
		im.rows[id] = r
	}, `SELECT `+strings.Join(parts, ", ")+` FROM `+quoteName(table.Name))
	return im
}

// selectCell reads a column so that the driver has no part in how its bytes
// come out, except those of a float.
func selectCell(name string) string {
	return fmt.Sprintf(`typeof(%[1]s), CASE WHEN typeof(%[1]s) IN ('text', 'blob') THEN hex(CAST(%[1]s AS BLOB)) ELSE +%[1]s END`, quoteName(name))
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func cellOf(kind string, v any) cellText {
	switch v := v.(type) {
	case nil:
		return "null"
	case float64:
		return cellText(fmt.Sprintf("real %016x %v", math.Float64bits(v), v))
	case string, int64:
		return cellText(fmt.Sprintf("%s %v", kind, v))
	}
	return cellText(fmt.Sprintf("%s? %T", kind, v))
}

// cellOfValue is the cell of a value in a batch.
func cellOfValue(v any) cellText {
	switch v := v.(type) {
	case string:
		return cellText(fmt.Sprintf("text %X", v))
	case []byte:
		return cellText(fmt.Sprintf("blob %X", v))
	case int64:
		return cellText(fmt.Sprintf("integer %d", v))
	}
	return cellOf("", v)
}

// identity is a text that is equal for keys which SQLite takes for equal.
func identity(key []generate.KeyColumn, r row) string {
	var parts []string
	for _, k := range key {
		parts = append(parts, canonical(r[lower(k.Name)], k.Collation))
	}
	return strings.Join(parts, ", ")
}

func canonical(c cellText, collation string) string {
	kind, value, _ := strings.Cut(string(c), " ")
	switch kind {
	case "real":
		var bits uint64
		fmt.Sscanf(value, "%x", &bits)
		if f := math.Float64frombits(bits); f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
			return fmt.Sprintf("integer %d", int64(f))
		}
	case "text":
		var b []byte
		fmt.Sscanf(value, "%X", &b)
		switch collation {
		case "RTRIM":
			return fmt.Sprintf("text %q", bytes.TrimRight(b, " "))
		case "NOCASE": // it does not look behind a NUL, but at the length
			length := len(b)
			b, _, _ = bytes.Cut(b, []byte{0})
			return fmt.Sprintf("text %d %q", length, strings.Map(lowerASCII, string(b)))
		}
	}
	return string(c)
}

// lower is a name as SQLite compares it.
func lower(s string) string { return strings.Map(lowerASCII, s) }

func lowerASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		r += 'a' - 'A'
	}
	return r
}

// leaveOut drops columns.
func (im *image) leaveOut(columns []string) {
	for _, name := range columns {
		for _, r := range im.rows {
			delete(r, name)
		}
	}
}

// differs says how an image differs from another, "" if it does not.
func (im *image) differs(want *image) string {
	for _, id := range slices.Sorted(maps.Keys(want.rows)) {
		got, ok := im.rows[id]
		if !ok {
			return fmt.Sprintf("there is no row %s: %v", id, want.rows[id])
		}
		if !maps.Equal(got, want.rows[id]) {
			return fmt.Sprintf("row %s is\n%v\nwant\n%v", id, got, want.rows[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(im.rows)) {
		if _, ok := want.rows[id]; !ok {
			return fmt.Sprintf("there is a row %s too many: %v", id, im.rows[id])
		}
	}
	if !slices.Equal(slices.Sorted(slices.Values(im.stored)), slices.Sorted(slices.Values(want.stored))) {
		return fmt.Sprintf("columns are %q, want %q", im.stored, want.stored)
	}
	return ""
}

// query calls fn for every row. The driver interprets none of the columns.
func (d *trial) query(n *node, fn func([]any), q string, args ...any) {
	d.Helper()
	rows, err := n.app.Query(q, args...)
	if err != nil {
		d.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	d.scan(rows, fn)
}

func (d *trial) scan(rows *sql.Rows, fn func([]any)) {
	d.Helper()
	names, err := rows.Columns()
	for err == nil && rows.Next() {
		list, refs := make([]any, len(names)), make([]any, len(names))
		for i := range list {
			refs[i] = &list[i]
		}
		if err = rows.Scan(refs...); err == nil {
			fn(list)
		}
	}
	if err = cmp.Or(err, rows.Err()); err != nil {
		d.Fatal(err)
	}
}
