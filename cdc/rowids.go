package cdc

import (
	"fmt"
	"maps"
	"slices"

	"sqlsync/schema"
)

// captureRowids has the rows that REPLACE removes by a rowid looked for from
// now on in those tables in which one was given, and marks what it has removed
// until now. It reports whether it marked anything.
func (s *sealer) captureRowids() (marked bool, err error) {
	for _, id := range slices.Sorted(maps.Keys(s.rowids)) {
		tab := *s.cfg.byID[id]
		if tab.rowids {
			continue // the mark is older than that
		}
		if _, err := s.Exec(`UPDATE sqlsync_table SET rowids = 1 WHERE id = ?`, tab.id); err != nil {
			return marked, err
		}
		tab.rowids = true
		if err := s.capture(&tab); err != nil {
			return marked, err
		}
		n, err := s.markGone(&tab)
		if err != nil {
			return marked, err
		}
		marked = marked || n > 0
	}
	return marked, nil
}

// markGone marks the rows that are remembered and not in the table.
func (t *tx) markGone(tab *table) (int64, error) {
	k := len(tab.key)
	n, err := t.Exec(fmt.Sprintf(`INSERT INTO %s (table_id, op, at, %s) SELECT %d, %d, julianday('now'), %s FROM %s AS m
		WHERE coalesce(m.state, 0) = 0 AND NOT EXISTS (SELECT 1 FROM main.%s AS t WHERE %s)`,
		tab.ds.oplog(), tab.list("k%d", ", ", k), tab.id, opCheck, tab.list("m.k%d", ", ", k), tab.meta(),
		schema.Quote(tab.name), tab.keyEquals("t.", "m.k%d")))
	if err != nil {
		return 0, fmt.Errorf("mark rows of %s: %w", tab.name, err)
	}
	more, err := t.markGonePacked(tab)
	return n + more, err
}
