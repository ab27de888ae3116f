package cdc_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sqlsync/cdc"
)

func TestQuickCheckFindsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	app, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, path: path, app: app}
	n.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, v);
		WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i, hex(i) FROM n; CREATE INDEX byv ON t (v)`)
	n.app.Close()
	if damage, whole, err := cdc.QuickCheck(t.Context(), path, time.Minute); len(damage) > 0 || !whole || err != nil {
		t.Errorf("of a sound file: %q, %v, %v", damage, whole, err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(file[5*4096:6*4096], make([]byte, 4096))
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if damage, whole, err := cdc.QuickCheck(t.Context(), path, time.Minute); len(damage) == 0 || !whole || err != nil {
		t.Errorf("of a damaged file: %q, %v, %v", damage, whole, err)
	}
}

// A check that takes too long is no error.
func TestQuickCheckEndsInTime(t *testing.T) {
	n := newNode(t, 1, items)
	if damage, whole, err := cdc.QuickCheck(t.Context(), n.path, time.Nanosecond); len(damage) > 0 || whole || err != nil {
		t.Errorf("got %q, %v, %v", damage, whole, err)
	}
}

// What only reads judges as watch does.
func TestExamineJudgesAsWatch(t *testing.T) {
	for _, c := range harmless {
		n := newNode(t, 1, "")
		n.owned()
		n.exec(c.schema + `; CREATE TABLE nokey (x); CREATE TABLE chk (id INTEGER PRIMARY KEY, v CHECK (slug(v) <> ''));
			CREATE TABLE other (id INTEGER PRIMARY KEY); CREATE TRIGGER bad AFTER INSERT ON other BEGIN INSERT INTO nokey VALUES (slug(NEW.id)); END`)
		ex, err := cdc.Examine(t.Context(), n.path)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, tab := range ex.Tables {
			names = append(names, tab.Name)
		}
		listed, err := n.Tables(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		list, err := n.Watch(t.Context(), names, cdc.WatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range list {
			if tab := ex.Tables[i]; (tab.Refused == nil) != (v.Refused == nil) || (listed[i].Refused == nil) != (v.Refused == nil) {
				t.Errorf("%s: examined %v, listed %v, watched %v", v.Table, tab.Refused, listed[i].Refused, v.Refused)
			}
		}
	}
}
