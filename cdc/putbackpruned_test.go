package cdc_test

import (
	"path/filepath"
	"strings"
	"testing"

	"sqlsync/cdc"
)

// A file is put back from before a row of its own was deleted by another, and the
// deletion was pruned. What the file knows that others had goes; what nobody may
// have had is on every node in the end, and it is told that it is.
func TestPutBackAfterThePrune(t *testing.T) {
	for name, c := range map[string]struct {
		witness, confirmed bool
		want               string
	}{
		"recognised by its witness":            {witness: true, want: "2:1 3:1 4:1"},
		"not recognised":                       {want: "1:1 2:7 3:1 4:1"},
		"not recognised, but confirmed before": {confirmed: true, want: "2:7 3:1 4:1"},
	} {
		for how, take := range map[string]func(older, b *node){
			"whole":     func(older, b *node) { older.takeFrom(b) },
			"by ranges": func(older, b *node) { older.reconcile(&talk{from: b}) },
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "a.db")
				o := renewing(1, path)
				if !c.witness {
					o.Witness = ""
				}
				a := openNodeWith(t, 1, path, items, o)
				b := renewingNode(t, 2, filepath.Join(t.TempDir(), "b.db"), items)
				a.watch(cdc.WatchOptions{}, "items")
				b.watch(cdc.WatchOptions{}, "items")
				a.exec(`INSERT INTO items (id, qty) VALUES (1, 1), (2, 1)`)
				converge(t, a, b)
				if c.confirmed {
					a.knows(b)
					if err := a.stream().Confirm(t.Context(), b.Node(), b.vector()); err != nil {
						t.Fatal(err)
					}
					a.exec(`UPDATE items SET qty = qty`)
					a.seal()
				}
				backup := a.backup()
				a.exec(`INSERT INTO items (id, qty) VALUES (3, 1)`)
				a.seal()
				a.exec(`UPDATE items SET note = 'later' WHERE id = 3`)
				converge(t, a, b)
				b.exec(`DELETE FROM items WHERE id = 1`)
				b.seal()
				if p := b.prune(); p.Batches == 0 || p.Tombstones != 1 {
					t.Fatalf("pruned %+v", p)
				}
				a.shut()
				move(t, backup, a.path)
				older := openNodeWith(t, 1, a.path, "", o)
				if !c.witness { // nothing tells that it must not
					older.exec(`UPDATE items SET qty = 7 WHERE id = 2`)
				}
				older.exec(`INSERT INTO items (id, qty) VALUES (4, 1)`)
				older.seal()
				if err := older.stream().Confirm(t.Context(), b.Node(), b.vector()); err != nil {
					t.Fatal(err)
				}
				take(older, b)
				converge(t, older, b)
				if got := b.text(`SELECT group_concat(id || ':' || qty, ' ') FROM (SELECT * FROM items ORDER BY id)`); got != c.want {
					t.Errorf("rows are %q, want %q", got, c.want)
				}
				_, why, err := older.Renewed(t.Context())
				if told := strings.HasSuffix(why, "; rows that may have been deleted elsewhere were written again, in items"); err != nil || told == c.witness {
					t.Errorf("renewed because %q, %v", why, err)
				}
			})
		}
	}
}
