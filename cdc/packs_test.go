package cdc

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/wire"
)

// modelOfMeta is the metadata of a table as it should be, and what reads and writes it.
type modelOfMeta struct {
	*rapid.T
	tx    *tx
	tab   *table
	rows  map[string]remembered
	nodes []merge.NodeID
	birth merge.HLC
	place foldPlace
}

// Whatever is written, forgotten and folded in whatever order, metadata in packs reads
// as that of rows does.
func TestPackedMetadataIsAsThatOfRows(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine does it all: make unit runs it")
	}
	path := filepath.Join(t.TempDir(), "a.db")
	if err := CreateFile(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Path: path, Node: merge.NodeID{1}, Sign: func(wire.Hash) []byte { return nil },
		Verify: func(merge.NodeID, wire.Hash, []byte) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.w.Exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)`); err != nil {
		t.Fatal(err)
	}
	// The metadata of a table that was rebuilt can have any value in its key.
	if _, err := s.w.Exec(`CREATE TABLE rebuilt (id INT PRIMARY KEY, a, b)`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Watch(t.Context(), []string{"t", "rebuilt"}, WatchOptions{}); err != nil {
		t.Fatal(err)
	}
	nodes := []merge.NodeID{{1}, {2}, {3}}
	err = s.write(t.Context(), func(t *tx) error {
		for _, n := range nodes {
			if _, err := t.origin(n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	undo := errors.New("enough")
	for _, name := range []string{"t", "rebuilt"} {
		rapid.Check(t, func(rt *rapid.T) {
			s.w.Exec(`ROLLBACK`) // of the failure that is looked into
			err := s.write(t.Context(), func(t *tx) error {
				tab := *t.cfg.byName[name]
				def := *tab.def
				def.RowidAlias = tab.key[0]
				tab.def, tab.tableSQL.t = &def, &tab
				m := &modelOfMeta{T: rt, tx: t, tab: &tab, rows: make(map[string]remembered), nodes: nodes, birth: 1 << 40}
				rt.Repeat(map[string]func(*rapid.T){
					"":       m.check,
					"bear":   m.bear,
					"write":  m.write,
					"forget": m.forget,
					"lookup": m.lookup,
					"range":  m.between,
					"fold":   m.fold,
					"unpack": m.unpack,
				})
				return undo
			})
			if !errors.Is(err, undo) {
				rt.Fatal(err)
			}
		})
	}
}

func (m *modelOfMeta) drawKey(t *rapid.T) int64 {
	return rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(-5, 2000), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, math.MinInt64 + 1, math.MaxInt64 - 1})).Draw(t, "key")
}

// drawAny draws a key as others may spell it; those that no column of integers
// can have only where that is not all it has.
func (m *modelOfMeta) drawAny(t *rapid.T, stored bool) wire.Value {
	key := m.drawKey(t)
	odd := []wire.Value{key, key, key, fmt.Sprint(key), fmt.Sprintf("%d.0", key%1000)}
	if !stored || m.tab.name == "rebuilt" {
		odd = append(odd, float64(key%1000)+0.5, "abc", []byte("1"), math.Inf(-1), 1e300)
	}
	if !stored {
		odd = append(odd, nil)
	}
	return rapid.SampledFrom(odd).Draw(t, "spelled")
}

// spelled is a key as the table has it.
func (m *modelOfMeta) spelled(t *rapid.T, v wire.Value) wire.Value {
	id, equal, err := m.tx.floor(v)
	if err != nil {
		t.Fatal(err)
	}
	if equal {
		return id
	}
	return v
}

func (m *modelOfMeta) remember(t *rapid.T, list []remembered) {
	for i := range list {
		key := []wire.Value{m.spelled(t, list[i].key[0])}
		kept := *list[i].m
		kept.hashes = slices.Clone(kept.hashes)
		m.rows[keyText(key)] = remembered{key, &kept}
	}
	if err := m.tx.remember(m.tab, list); err != nil {
		t.Fatal(err)
	}
}

func (m *modelOfMeta) born(t *rapid.T) *meta {
	m.birth += merge.HLC(rapid.SampledFrom([]int64{0, 1, 1, 1, 1 << 16}).Draw(t, "later"))
	v := merge.Version{HLC: m.birth, Origin: m.nodes[rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "origin")]}
	h := make(hashes, 6*rapid.SampledFrom([]int{2, 2, 2, 2, 3, 0}).Draw(t, "columns"))
	for i := 0; i < len(h); i += 6 {
		putHash(h[i:], uint64(m.birth)+uint64(i))
	}
	return &meta{row: merge.Row{Birth: v, Latest: v}, hashes: h}
}

// bear writes rows as they were born, one behind the other or not.
func (m *modelOfMeta) bear(t *rapid.T) {
	key, step := m.drawKey(t), rapid.SampledFrom([]int64{1, 1, 1, 2, 40, -1}).Draw(t, "step")
	var list []remembered
	same := m.born(t)
	for range rapid.IntRange(1, 100).Draw(t, "rows") {
		one := *same
		one.row.Birth.HLC++
		one.row.Latest = one.row.Birth
		m.birth++
		if rapid.IntRange(0, 19).Draw(t, "other") == 0 {
			one = *m.born(t)
		}
		one.hashes = slices.Clone(one.hashes)
		same = &one
		list = append(list, remembered{[]wire.Value{key}, &one})
		if key > math.MaxInt64-step || key < math.MinInt64-min(step, 0) {
			break
		}
		key += step
	}
	m.remember(t, list)
}

// write writes rows that are as they were born and that are not, anywhere.
func (m *modelOfMeta) write(t *rapid.T) {
	var list []remembered
	for range rapid.IntRange(1, 70).Draw(t, "rows") {
		one := m.born(t)
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			one.row.Cells = []merge.Cell{{Column: 1, Version: merge.Version{HLC: m.birth + 7, Origin: m.nodes[1]}}}
			one.row.Latest = one.row.Cells[0].Version
		case 1:
			one.bury(merge.Row{Birth: one.row.Birth, Dead: true, Latest: merge.Version{HLC: m.birth + 9, Origin: m.nodes[2]}})
		case 2:
			one.state = held
		}
		list = append(list, remembered{[]wire.Value{m.drawAny(t, true)}, one})
	}
	m.remember(t, list)
}

func (m *modelOfMeta) forget(t *rapid.T) {
	for range rapid.IntRange(1, 9).Draw(t, "rows") {
		key := []wire.Value{m.drawAny(t, false)}
		if err := m.tx.forget(m.tab, key); err != nil {
			t.Fatal(err)
		}
		delete(m.rows, keyText([]wire.Value{m.spelled(t, key[0])}))
	}
}

func (m *modelOfMeta) lookup(t *rapid.T) {
	var keys [][]wire.Value
	from := m.drawKey(t)
	for i := range rapid.Int64Range(1, 100).Draw(t, "keys") {
		key := m.drawAny(t, false)
		if rapid.Bool().Draw(t, "near") {
			key = from + i
		}
		keys = append(keys, []wire.Value{key})
	}
	metas, err := m.tx.lookup(m.tab, keys)
	if err != nil {
		t.Fatal(err)
	}
	for i := range metas {
		want, is := m.rows[keyText([]wire.Value{m.spelled(t, keys[i][0])})]
		if !is {
			want.m = &meta{}
		}
		m.same(t, keys[i], &metas[i], want.m)
		if is && keyText(metas[i].key) != keyText(want.key) {
			t.Fatalf("key %v is told as %v", want.key, metas[i].key)
		}
	}
	for i := range metas { // what is done to one is done to no other
		for at := range metas[i].hashes {
			metas[i].hashes[at]++
		}
	}
	for i := range metas {
		if want, is := m.rows[keyText([]wire.Value{m.spelled(t, keys[i][0])})]; is && len(want.m.hashes) > 0 && metas[i].hashes[0] != want.m.hashes[0]+1 {
			t.Fatalf("the hashes of %v are those of another", keys[i])
		}
	}
}

func (m *modelOfMeta) same(t *rapid.T, key []wire.Value, got, want *meta) {
	if got.row.Birth != want.row.Birth || got.row.Dead != want.row.Dead || got.state != want.state ||
		!slices.Equal(got.row.Cells, want.row.Cells) || !bytes.Equal(got.hashes, want.hashes) || got.row.Latest != want.row.Latest {
		t.Fatalf("metadata of %v is %+v, want %+v", key, got, want)
	}
}

// sorted are the rows in the order in which SQLite has them.
func (m *modelOfMeta) sorted() (list []remembered) {
	for _, r := range m.rows {
		list = append(list, r)
	}
	class := func(v wire.Value) int {
		switch v.(type) {
		case int64, float64:
			return 0
		case string:
			return 1
		}
		return 2
	}
	slices.SortFunc(list, func(one, other remembered) int {
		x, y := one.key[0], other.key[0]
		if c := cmp.Compare(class(x), class(y)); c != 0 {
			return c
		}
		switch x := x.(type) {
		case string:
			return cmp.Compare(x, y.(string))
		case []byte:
			return bytes.Compare(x, y.([]byte))
		}
		a, whole := x.(int64)
		b, also := y.(int64)
		if whole && also {
			return cmp.Compare(a, b)
		}
		return cmp.Compare(asFloat(x), asFloat(y)) // of those that are drawn none is equal to an integer
	})
	return list
}

func asFloat(v wire.Value) float64 {
	if id, ok := v.(int64); ok {
		return float64(id)
	}
	return v.(float64)
}

func (m *modelOfMeta) between(t *rapid.T) {
	var bounds [2][]wire.Value
	for i := range bounds {
		if rapid.Bool().Draw(t, "bounded") {
			bounds[i] = []wire.Value{m.drawAny(t, false)}
		}
	}
	m.read(t, bounds[0], bounds[1])
}

// read compares the metadata of a range with the model's.
func (m *modelOfMeta) read(t *rapid.T, from, to []wire.Value) {
	inside := func(v wire.Value) bool {
		for _, b := range []struct {
			bound []wire.Value
			op    string
		}{{from, ">"}, {to, "<="}} {
			if b.bound == nil {
				continue
			}
			n, err := m.tx.Int(`SELECT ?1 `+b.op+` ?2`, v, m.spelled(t, b.bound[0]))
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				return false
			}
		}
		return true
	}
	var want []remembered
	list := m.sorted()
	if from == nil && to == nil {
		want = list
	} else {
		for _, r := range list {
			if inside(r.key[0]) {
				want = append(want, r)
			}
		}
	}
	n := 0
	err := m.tx.metas(m.tab, from, to, func(key []wire.Value, got *meta) error {
		if n == len(want) || keyText(key) != keyText(want[n].key) {
			t.Fatalf("%v is the %d. of %d between %v and %v", key, n, len(want), from, to)
		}
		m.same(t, key, got, want[n].m)
		n++
		return nil
	})
	if err != nil || n < len(want) {
		t.Fatalf("%d of %d rows between %v and %v: %v", n, len(want), from, to, err)
	}
}

func (m *modelOfMeta) fold(t *rapid.T) {
	whole := rapid.Bool().Draw(t, "from the beginning")
	var err error
	if whole {
		_, err = m.tx.Exec(`UPDATE sqlsync_table SET folded = NULL`)
	}
	if err == nil {
		m.place, err = m.tx.foldPlace(m.tab)
	}
	if err != nil {
		t.Fatal(err)
	}
	for most := rapid.SampledFrom([]int{1, 2, 10, foldRecords}).Draw(t, "most"); ; {
		n, err := m.tx.foldSome(m.tab, &m.place, most)
		if err != nil {
			t.Fatal(err)
		}
		if n < most {
			break
		}
	}
	if !whole || m.tab.name == "rebuilt" { // where not all keys are integers
		return
	}
	// Rows as they were born are left only beside others.
	var before pack
	err = m.tx.records(m.tab, nil, nil, func(_ []wire.Value, row []any, p pack, _ error) error {
		if p == nil && m.tx.foldable(append([]any{int64(0)}, row...)) != nil && before != nil && len(before) == 1 && len(before[0].hashes) == len(row[6].([]byte)) {
			t.Fatal("two rows as they were born are beside each other")
		}
		before = nil
		if p == nil {
			before = m.tx.foldable(append([]any{int64(0)}, row...))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (m *modelOfMeta) unpack(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "seldom") > 0 {
		return
	}
	if err := m.tx.unpack(m.tab); err != nil {
		t.Fatal(err)
	}
}

// check says that ranges of records do not overlap, and that all is as in the model.
func (m *modelOfMeta) check(t *rapid.T) {
	last, some := int64(0), false
	err := m.tx.Query(func(row []any) error {
		first, ok := row[0].(int64)
		if !ok {
			return sqlconn.Stop // nothing is packed behind texts; floats are seen by their order
		}
		if some && first <= last {
			t.Fatalf("a record at %d within one up to %d", first, last)
		}
		last, some = first, true
		if isPack(row) {
			p, err := m.tx.readPack(row)
			if err != nil || len(p) < 2 {
				t.Fatalf("a pack of %d rows at %d: %v", len(p), first, err)
			}
			last = p.last()
		}
		return nil
	}, `SELECT k0, `+metaColumns("")+` FROM `+m.tab.meta()+` WHERE typeof(k0) = 'integer' ORDER BY k0`)
	if err != nil {
		t.Fatal(err)
	}
	m.read(t, nil, nil)
}
