package oldlib_test

import (
	"strings"
	"testing"
)

// An application goes on writing to a table that it has renamed as SQLite did
// before 3.25, which leaves the bodies of triggers as they are: at once where
// they do not name their own table, else when sqlsync has looked at the file.
func TestLegacyRename(t *testing.T) {
	for _, w := range writers {
		t.Run(w.name, func(t *testing.T) {
			w.need(t)
			a := newNode(t, t.TempDir(), "a")
			w.all(t, a.path, schema...)
			a.must("watch", "--all")
			ask := func(statements ...string) (errs []string) {
				t.Helper()
				_, errs, err := w.run(a.path, append([]string{"PRAGMA legacy_alter_table = ON"}, statements...))
				if err != nil {
					t.Fatal(err)
				}
				return errs
			}
			for table, set := range map[string]string{"stock": "qty", "audit": "was"} {
				if errs := ask("ALTER TABLE "+table+" RENAME TO other", "REPLACE INTO other VALUES (1, 2, 3), (4, 5, 6)",
					"UPDATE OR REPLACE other SET "+set+" = 1", "DELETE FROM other", "ALTER TABLE other RENAME TO "+table); len(errs) != 0 {
					t.Errorf("%s: %q", table, errs)
				}
			}
			write := "REPLACE INTO items2 (id, sku) VALUES (3, 'tea')"
			if errs := ask("ALTER TABLE items RENAME TO items2", write); len(errs) != 1 || !strings.Contains(errs[0], "no such table: main.items") {
				t.Errorf("items: %q", errs)
			}
			a.must("repair")
			if errs := ask(write, "ALTER TABLE items2 RENAME TO items"); len(errs) != 0 {
				t.Errorf("items, when sqlsync has looked: %q", errs)
			}
			a.must("uninstall", "--yes")
			nothingLeft(t, a.path)
		})
	}
}
