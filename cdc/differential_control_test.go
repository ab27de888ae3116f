package cdc_test

import (
	"fmt"
	"path/filepath"
	"strings"
)

// disturbed says how the application was told or left anything else than
// without sqlsync, "" if it was not.
func (d *trial) disturbed(want, got string) string {
	d.Helper()
	if got != want {
		return "the application is told " + firstDifference(want, got)
	}
	for _, table := range d.script.Tables {
		if diff := d.image(d.watched, table).differs(d.image(d.plain, table)); diff != "" {
			return fmt.Sprintf("%q is not what it is without sqlsync: %s", table.Name, diff)
		}
	}
	return ""
}

// sqlitesOwn reports whether the script so far ends the same with triggers that
// do nothing. In what order an UPDATE comes to the rows, and when a REPLACE
// looks for conflicts again, depends in SQLite on whether there are triggers at
// all; no capture by triggers can keep that.
func (d *trial) sqlitesOwn() bool {
	d.Helper()
	control := &node{t: d.T, path: filepath.Join(d.TempDir(), "app.db")}
	control.openApp(strings.Join(d.script.Schema, ";\n"))
	for i, told := range d.told {
		for n, table := range d.script.Tables {
			control.exec(idle(n, table.Name, table.Key[0].Name))
		}
		if want, got := comparable(told, d.shell(d, control, d.script.Steps[i])); got != want {
			return false
		}
	}
	for _, table := range d.script.Tables {
		if d.image(control, table).differs(d.image(d.watched, table)) != "" {
			return false
		}
	}
	return true
}

// idle spells triggers on a table that only look at its key.
func idle(n int, table, key string) string {
	var b strings.Builder
	for i, event := range []string{"AFTER INSERT", "AFTER UPDATE", "AFTER DELETE", "BEFORE INSERT", "BEFORE UPDATE"} {
		row := "NEW."
		if event == "AFTER DELETE" {
			row = "OLD."
		}
		fmt.Fprintf(&b, "CREATE TRIGGER IF NOT EXISTS idle_%d_%d %s ON %s BEGIN SELECT %s%s; END;\n", n, i, event, quoteName(table), row, quoteName(key))
	}
	return b.String()
}
