package cdc_test

import (
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// A row from before a column was added has the default in it as the column's
// affinity stores it. That is no change.
func TestAddedColumnIsNoChange(t *testing.T) {
	unitOnly(t)
	for _, column := range []string{"c TEXT DEFAULT 1.5", "c INTEGER DEFAULT '7'", "c INTEGER DEFAULT 'x'", "c NUMERIC DEFAULT 2.0", "c NUMERIC DEFAULT '1.5'",
		"c REAL DEFAULT 3", "c REAL DEFAULT '1e3'", "c REAL DEFAULT 'x'", "c DEFAULT '1'", "c DEFAULT -0.0", "c BLOB DEFAULT x''", "c DATETIME DEFAULT '2024'"} {
		a, _ := pair(t, items, "items")
		a.exec(`INSERT INTO items VALUES (1, 'one', 1, NULL)`)
		a.seal()
		a.exec(`ALTER TABLE items ADD COLUMN ` + column)
		a.exec(`UPDATE items SET name = 'eins'`)
		a.seal()
		list, err := a.Stream(cdc.DefaultDataset).After(t.Context(), 1, 1<<20)
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: %d batches, %v", column, len(list), err)
		}
		b, err := list[0].Sealed.Open(wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if c := b.Sections[0].Changes[0]; len(c.Values) != 1 {
			t.Errorf("%s: the update carries %v", column, c.Values)
		}
	}
}
