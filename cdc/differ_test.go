package cdc_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sqlsync/cdc"
	"sqlsync/wire"
)

// talk answers a node's questions as a peer would, and counts the bytes.
type talk struct {
	from  *node
	bytes int64
	turns int
	// before, if not nil, is called before a question is answered.
	before func(question wire.Message)
}

func (k *talk) Write(b []byte) (int, error) {
	k.bytes += int64(len(b))
	return len(b), nil
}

func (k *talk) ask(ctx context.Context, question wire.Message) (wire.Message, error) {
	k.turns++
	if k.before != nil {
		k.before(question)
	}
	w := wire.NewWriter(k)
	if err := w.Write(question); err != nil {
		return nil, err
	}
	answer, err := k.from.Stream(cdc.DefaultDataset).Compare(ctx, question)
	if err == nil {
		err = w.Write(answer)
	}
	return answer, err
}

// differences compares a node with another and lists what differs.
func (n *node) differences(k *talk) (list []string, c *cdc.Comparison) {
	n.t.Helper()
	c, err := n.Stream(cdc.DefaultDataset).Differ(n.t.Context(), cdc.DifferOptions{Ask: k.ask, Found: func(d cdc.Difference) error {
		text := d.Table
		for _, v := range d.Key {
			text += fmt.Sprintf(" %s=%v", v.Name, v.Value)
		}
		text += " " + string(d.Kind)
		if len(d.Columns) > 0 {
			text += " " + strings.Join(d.Columns, ",")
		}
		if len(d.Key) == 0 && d.Here+d.There > 0 {
			text += fmt.Sprintf(" %d %d", d.Here, d.There)
		}
		list = append(list, text)
		return nil
	}})
	if err != nil {
		n.t.Fatal(err)
	}
	slices.Sort(list)
	return list, c
}

// wantDifferences checks what differs between two nodes that rest.
func wantDifferences(t *testing.T, a, b *node, want ...string) {
	t.Helper()
	list, c := a.differences(&talk{from: b})
	if !slices.Equal(list, want) || c.Unsettled != 0 {
		t.Errorf("%d on their way and found\n  %s\nwant\n  %s", c.Unsettled, strings.Join(list, "\n  "), strings.Join(want, "\n  "))
	}
}

const manyItems = `WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO items (id, name, qty) SELECT i, 'item ' || i, i FROM n`

func TestDifferencesAreNamed(t *testing.T) {
	a, b := pair(t, items, "items")
	a.damaged, b.damaged = true, true
	wantDifferences(t, a, b)
	a.exec(fmt.Sprintf(manyItems, 1200))
	converge(t, a, b)
	wantDifferences(t, a, b)
	a.past(`UPDATE items SET name = 'other', qty = 1.5 WHERE id = 921`, `DELETE FROM items WHERE id = 1`, `INSERT INTO items (id) VALUES (1202)`)
	b.past(`UPDATE items SET qty = '17' || x'', name = CAST(name AS BLOB) WHERE id = 17`, `DELETE FROM items WHERE id > 1198`, `INSERT INTO items (id) VALUES (-3)`)
	wantDifferences(t, a, b,
		"items id=-3 missing_here", "items id=1 missing_here", "items id=1199 missing_there", "items id=1200 missing_there",
		"items id=1202 missing_there", "items id=17 differs name", "items id=921 differs name,qty")
	b.past(`DELETE FROM items`)
	list, c := a.differences(&talk{from: b})
	if len(list) != 1200 || c.Tables[0].Rows != 1200 || c.Tables[0].Findings != 1200 {
		t.Errorf("%d differences from an empty table, %+v", len(list), c.Tables)
	}
	if list, _ = b.differences(&talk{from: a}); len(list) != 1200 {
		t.Errorf("%d differences of an empty table", len(list))
	}
}

// Keys compare as SQLite has them, whatever they are made of.
func TestDifferencesOfKeys(t *testing.T) {
	const schema = `CREATE TABLE t (v, b TEXT COLLATE NOCASE, a, d DATETIME, PRIMARY KEY (a, b)) WITHOUT ROWID`
	a, b := pair(t, schema, "t")
	a.damaged, b.damaged = true, true
	a.exec(`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO t (a, b, v) SELECT i % 5, 'Key ' || i, i FROM n`)
	a.exec(`INSERT INTO t (a, b) VALUES (x'00ff', 'blob'), (1.5, ''), ('text', 'é')`)
	long := strings.Repeat("long ", 1000)
	a.exec(`INSERT INTO t (a, b, v) VALUES (x'ff', ?, 1), (x'ff', ?, 2)`, long+"a", long+"b")
	converge(t, a, b)
	wantDifferences(t, a, b)
	a.past(`UPDATE t SET b = 'KEY 7' WHERE b = 'key 7'`, `UPDATE t SET v = 0, d = '2026' WHERE a = 1.5`, `DELETE FROM t WHERE a = x'00ff'`)
	wantDifferences(t, a, b, "t a=1.5 b= differs d,v", "t a=2 b=KEY 7 differs b", "t a=[0 255] b=blob missing_here")
	b.past(`UPDATE t SET v = 3 WHERE b LIKE 'long%a'`)
	list, _ := a.differences(&talk{from: b})
	if len(list) != 4 || list[3] != "t differs 2 2" {
		t.Errorf("found %v", list)
	}
}

func TestDifferencesOfTablesAndColumns(t *testing.T) {
	a, b := pair(t, items+`; CREATE TABLE other (id INTEGER PRIMARY KEY); CREATE TABLE logs (id INTEGER PRIMARY KEY, line)`, "items")
	a.damaged = true
	a.watch(cdc.WatchOptions{}, "other")
	for _, n := range []*node{a, b} {
		n.watch(cdc.WatchOptions{Policy: "append", IDs: "local"}, "logs")
		n.exec(`INSERT INTO logs (line) VALUES ('by ' || ?)`, n.Node().String())
	}
	a.exec(`INSERT INTO items (id) VALUES (1)`)
	exchange(a, b)
	exchange(a, b)
	a.exec(`ALTER TABLE items ADD COLUMN mine DEFAULT 5`)
	b.exec(`ALTER TABLE items ADD COLUMN theirs; ALTER TABLE items ADD COLUMN more`)
	list, c := a.differences(&talk{from: b})
	if want := []string{"items columns_only_here mine", "items columns_only_there more,theirs"}; !slices.Equal(list, want) {
		t.Errorf("found %q, want %q", list, want)
	}
	if !slices.Equal(c.OnlyHere, []string{"other"}) || c.OnlyThere != nil || len(c.Tables) != 2 {
		t.Errorf("compared %+v, only here %v, only there %v", c.Tables, c.OnlyHere, c.OnlyThere)
	}
	if _, c = b.differences(&talk{from: a}); !slices.Equal(c.OnlyThere, []string{"other"}) {
		t.Errorf("only there %v", c.OnlyThere)
	}
	a.past(`UPDATE logs SET line = 'forged' WHERE id = 1`)
	if list, _ = a.differences(&talk{from: b}); !slices.Contains(list, "logs differs 2 2") {
		t.Errorf("found %q", list)
	}
}

// What both write meanwhile is no difference, though the two never have the same
// at one moment; what was lost is one, though everything else moves.
func TestDifferencesWhileBothWrite(t *testing.T) {
	a, b := pair(t, items, "items")
	b.damaged = true
	a.exec(fmt.Sprintf(manyItems, 300))
	converge(t, a, b)
	n := 0
	move := func(wire.Message) {
		n++
		a.exec(`UPDATE items SET qty = qty + 1 WHERE id % 7 = ? AND id <> 71`, n%7)
		b.exec(`UPDATE items SET note = ? WHERE id % 5 = ? AND id <> 71`, n, n%5)
		b.exec(`DELETE FROM items WHERE id = ?`, 200+n)
		exchange(a, b)
		a.exec(`INSERT INTO items (id) VALUES (?)`, 10_000+n)
		a.seal()
		b.exec(`INSERT INTO items (id) VALUES (?)`, 20_000+n)
		b.seal()
	}
	list, c := a.differences(&talk{from: b, before: move})
	if len(list) != 0 {
		t.Errorf("found %q", list)
	}
	if c.Tables[0].Rows < 200 {
		t.Errorf("compared %+v", c.Tables)
	}
	b.past(`UPDATE items SET name = 'lost' WHERE id = 71`)
	list, _ = a.differences(&talk{from: b, before: move})
	if !slices.Equal(list, []string{"items id=71 differs name"}) {
		t.Errorf("found %q, want the one that was lost", list)
	}
	// A node that gets nothing any more is not said to differ.
	a.exec(`UPDATE items SET name = 'sent later' WHERE id = 7`)
	list, c = a.differences(&talk{from: b})
	if len(list) != 0 {
		t.Errorf("found %q, which may be on its way", list)
	}
	if c.Unsettled == 0 || c.There.Covers(c.Here) {
		t.Errorf("%d on their way, %v here, %v there", c.Unsettled, c.Here, c.There)
	}
}

// What a peer sends is not believed.
func TestAnswersOutOfPlace(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(fmt.Sprintf(manyItems, 100))
	converge(t, a, b)
	for name, bad := range map[string]wire.Message{
		"of another kind":     &wire.Pong{},
		"of no range":         &wire.Fingerprints{},
		"of too many ranges":  &wire.Fingerprints{Ranges: make([][]wire.Fingerprint, 9)},
		"of ranges cut short": &wire.Fingerprints{Ranges: [][]wire.Fingerprint{{{To: []byte("x"), Rows: 1}}}},
		"with bad keys":       &wire.Fingerprints{Ranges: [][]wire.Fingerprint{{{To: []byte("x"), Rows: 1}, {}}}},
	} {
		k := &talk{from: b}
		_, err := a.Stream(cdc.DefaultDataset).Differ(t.Context(), cdc.DifferOptions{Ask: func(ctx context.Context, q wire.Message) (wire.Message, error) {
			if _, ok := q.(*wire.FingerprintsRequest); ok {
				return bad, nil
			}
			return k.ask(ctx, q)
		}, Found: func(cdc.Difference) error { return nil }})
		if err == nil {
			t.Errorf("an answer %s was taken", name)
		}
	}
	for name, q := range map[string]wire.Message{
		"a table that is not watched": &wire.FingerprintsRequest{Aspect: wire.ByVersions, Table: "sqlsync_node", Ranges: []wire.KeyRange{{}}},
		"a column that is not there":  &wire.FingerprintsRequest{Aspect: wire.ByValues, Table: "items", Columns: []string{"id", "x"}, Ranges: []wire.KeyRange{{}}},
		"no key":                      &wire.FingerprintsRequest{Aspect: wire.ByValues, Table: "items", Columns: []string{"name"}, Ranges: []wire.KeyRange{{}}},
		"a column twice":              &wire.FingerprintsRequest{Aspect: wire.ByValues, Table: "items", Columns: []string{"id", "ID"}, Ranges: []wire.KeyRange{{}}},
		"a bad range":                 &wire.RangesRequest{Table: "items", Ranges: []wire.KeyRange{{From: []byte("x")}}},
		"a bad key":                   &wire.StatesRequest{Table: "items", Columns: []string{"id"}, Keys: [][]byte{{9}}},
		"no question":                 &wire.Pong{},
	} {
		if _, err := b.Stream(cdc.DefaultDataset).Compare(t.Context(), q); err == nil {
			t.Errorf("%s was answered", name)
		}
	}
}

// A peer that divides ranges without end is left.
func TestRangesWithoutEnd(t *testing.T) {
	a, b := pair(t, items, "items")
	a.exec(`INSERT INTO items (id) VALUES (1)`)
	converge(t, a, b)
	n := int64(0)
	k := &talk{from: b}
	_, err := a.Stream(cdc.DefaultDataset).Differ(t.Context(), cdc.DifferOptions{Ask: func(ctx context.Context, q wire.Message) (wire.Message, error) {
		m, ok := q.(*wire.FingerprintsRequest)
		if !ok {
			return k.ask(ctx, q)
		}
		answer := &wire.Fingerprints{}
		for _, r := range m.Ranges {
			var parts []wire.Fingerprint
			for range 1100 {
				n++
				parts = append(parts, wire.Fingerprint{To: wire.AppendRow(nil, []wire.Value{n}), Rows: 9})
			}
			answer.Ranges = append(answer.Ranges, append(parts, wire.Fingerprint{To: r.To, Rows: 9}))
		}
		return answer, nil
	}, Found: func(cdc.Difference) error { return nil }})
	if !errors.Is(err, wire.ErrInvalid) {
		t.Errorf("after %d parts: %v", n, err)
	}
}
