package cdc_test

import (
	"fmt"
	"strings"
	"testing"

	"sqlsync/cdc"
	"sqlsync/fixtures"
)

// dump returns a table's rows with the type and the bytes of every value, in an
// order that does not depend on collations. It does not tell -0.0 from 0.0, which
// SQL cannot; the digest does.
func (n *node) dump(table string) string {
	n.t.Helper()
	var columns []string
	rows, err := n.app.Query(`SELECT name FROM pragma_table_xinfo(?)`, table)
	if err != nil {
		n.t.Fatal(err)
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			n.t.Fatal(err)
		}
		q := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		columns = append(columns, fmt.Sprintf(`typeof(%[1]s) || ':' || CASE typeof(%[1]s) WHEN 'real' THEN printf('%%!.20g', %[1]s) ELSE coalesce(hex(CAST(%[1]s AS BLOB)), '') END`, q))
	}
	if err := rows.Close(); err != nil {
		n.t.Fatal(err)
	}
	rows, err = n.app.Query(`SELECT ` + strings.Join(columns, ` || '|' || `) + ` AS line FROM "` + strings.ReplaceAll(table, `"`, `""`) + `" ORDER BY line`)
	if err != nil {
		n.t.Fatal(err)
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			n.t.Fatal(err)
		}
		b.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		n.t.Fatal(err)
	}
	return b.String()
}

// Every shape of table, given the same statements, holds on the peer what a
// file holds that has never heard of sqlsync: types and bytes.
func TestShapes(t *testing.T) {
	unitOnly(t)
	for _, shape := range fixtures.Shapes() {
		t.Run(shape.Name, func(t *testing.T) {
			for _, late := range []bool{false, true} {
				a, b, plain := newNode(t, 1, shape.SQL), newNode(t, 2, shape.SQL), newNode(t, 3, shape.SQL)
				insert := func() {
					for _, q := range shape.Insert {
						a.exec(q)
						plain.exec(q)
					}
				}
				if late { // the rows are there before the tables are watched
					insert()
				}
				for _, n := range []*node{a, b} {
					n.watch(cdc.WatchOptions{}, shape.Tables...)
				}
				if !late {
					insert()
				}
				converge(t, a, b)
				for _, q := range shape.Mutate {
					a.exec(q)
					plain.exec(q)
				}
				converge(t, a, b)
				for _, table := range shape.Tables {
					want := plain.dump(table)
					if got := a.dump(table); got != want {
						t.Errorf("late %v: %s of the writer differs from plain SQLite:\n%s\nwant:\n%s", late, table, got, want)
					}
					if got := b.dump(table); got != want {
						t.Errorf("late %v: %s of the peer differs:\n%s\nwant:\n%s", late, table, got, want)
					}
				}
				if c := len(a.conflicts()) + len(b.conflicts()); c > 0 {
					t.Errorf("%d conflicts", c)
				}
			}
		})
	}
}
