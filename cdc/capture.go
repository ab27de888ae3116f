package cdc

import (
	"fmt"
	"maps"

	"sqlsync/schema"
)

// recapture puts the triggers back if they are not what they should be, which
// is so after the application has rebuilt its table, or made a unique index or
// a trigger, and marks every key, because what happened meanwhile was not
// captured. SQLite runs the newest trigger first, and ours have to be: what an
// AFTER trigger refuses with FAIL stays in the table, without the triggers that
// were to come.
func (t *tx) recapture(tab *table) error {
	want := make(map[string]string)
	for _, trigger := range tab.triggers() {
		want[trigger.Name] = trigger.SQL
	}
	got := make(map[string]string)
	first := true
	err := t.Query(func(row []any) error {
		if row[2].(int64) != 0 {
			got[row[0].(string)] = row[1].(string)
		} else if len(got) > 0 {
			first = false
		}
		return nil
	}, `SELECT name, sql, name GLOB ? FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY rowid`, triggersOf(tab.id), tab.name)
	if err != nil || first && maps.Equal(got, want) {
		return err
	}
	if err := t.capture(tab); err != nil {
		return err
	}
	t.s.log.Warn("capture was not what it should be and is; every row is compared", "table", tab.name)
	return t.markAll(tab, opCheck)
}

// triggers are those that capture the table.
func (tab *table) triggers() []schema.Trigger {
	return schema.Triggers(tab.def, tab.key, schema.Capture{Dataset: tab.ds.id, TableID: tab.id, Rowids: tab.rowids})
}

// capture installs the triggers of a table.
func (t *tx) capture(tab *table) error {
	if err := t.uncapture(tab.id); err != nil {
		return err
	}
	for _, trigger := range tab.triggers() {
		if _, err := t.Exec(trigger.SQL); err != nil {
			return fmt.Errorf("create trigger on %s: %w", tab.name, err)
		}
	}
	return nil
}

// triggersOf is a GLOB of the names of a table's triggers.
func triggersOf(id int64) string { return fmt.Sprintf("sqlsync_%d_*", id) }

// uncapture drops a table's triggers, whatever they are.
func (t *tx) uncapture(id int64) error {
	var names []string
	err := t.Query(func(row []any) error {
		names = append(names, row[0].(string))
		return nil
	}, `SELECT name FROM main.sqlite_master WHERE type = 'trigger' AND name GLOB ?`, triggersOf(id))
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := t.Exec(`DROP TRIGGER main.` + schema.Quote(name)); err != nil {
			return fmt.Errorf("drop trigger: %w", err)
		}
	}
	return nil
}

// markAll marks every row of a table, and every row that is remembered and may
// be gone.
func (t *tx) markAll(tab *table, op int) error {
	k := tab.list("k%d", ", ", len(tab.key))
	mark := fmt.Sprintf(`INSERT INTO %s (table_id, op, at, %s) SELECT %d, %d, julianday('now'), `, tab.ds.oplog(), k, tab.id, op)
	if _, err := t.Exec(mark + tab.keyList("") + ` FROM main.` + schema.Quote(tab.name)); err != nil {
		return fmt.Errorf("mark rows of %s: %w", tab.name, err)
	}
	if op == opBaseline {
		return nil
	}
	if _, err := t.Exec(mark + k + ` FROM ` + tab.meta() + ` WHERE coalesce(state, 0) IN (0, 2)`); err != nil {
		return fmt.Errorf("mark rows of %s: %w", tab.name, err)
	}
	_, err := t.markGonePacked(tab)
	return err
}
