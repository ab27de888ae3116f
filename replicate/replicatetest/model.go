package replicatetest

import (
	"cmp"
	"slices"

	"sqlsync/merge"
	"sqlsync/wire"
)

// model is what the sealed changes of all chains come to, worked out from the
// whole set at once and as simply as can be.
type model struct {
	tables []Table
	// writes are by table and key, all of them, in no order that matters.
	writes map[string]map[string][]*write
	// by are they all, by version.
	by map[stamp]*write
}

// stamp is a version: a time and, where that is equal, a name.
type stamp struct {
	time int64
	node merge.NodeID
}

func (a stamp) compare(b stamp) int {
	return cmp.Or(cmp.Compare(a.time, b.time), slices.Compare(a.node[:], b.node[:]))
}

// unsigned is the stamp by which a write is named, that of a baseline too.
func (a stamp) unsigned() stamp { return stamp{max(a.time, -a.time), a.node} }

// write is one sealed change.
type write struct {
	op merge.Op
	// born names the row it is about, at ranks it. What was there before watch
	// has negative times: anything seen later outranks it, and of two the one
	// closer to zero, the earlier one, stands.
	born, at stamp
	values   map[string]any
	seen     func(merge.NodeID) int64
}

func newModel(tables []Table) *model {
	return &model{tables: tables, writes: make(map[string]map[string][]*write), by: make(map[stamp]*write)}
}

// add takes the changes of one batch.
func (m *model) add(b *wire.Batch) {
	seen := func(node merge.NodeID) int64 {
		for _, s := range b.Header.Seen {
			if s.Origin == [8]byte(node[:8]) {
				return int64(s.HLC)
			}
		}
		return 0
	}
	for i := range b.Sections {
		sec := &b.Sections[i]
		t := tableOf(m.tables, sec.Table)
		if m.writes[t.Name] == nil {
			m.writes[t.Name] = make(map[string][]*write)
		}
		for j := range sec.Changes {
			w, key := newWrite(b.Header.Origin, sec, &sec.Changes[j]), keyOf(t.Key, sec.Changes[j].Key)
			w.seen = seen
			m.writes[t.Name][key] = append(m.writes[t.Name][key], w)
			m.by[w.at.unsigned()] = w
		}
	}
}

func newWrite(origin merge.NodeID, sec *wire.Section, c *wire.Change) *write {
	w := &write{op: c.Op, at: stamp{int64(c.HLC), origin}, values: make(map[string]any)}
	w.born = stamp{int64(c.Birth.HLC), c.Birth.Origin}
	if c.Op == merge.Insert {
		if c.Baseline {
			w.at.time = -w.at.time
		}
		w.born = w.at
	}
	for i, name := range sec.Key {
		w.values[name] = c.Key[i]
	}
	if c.Op != merge.Insert { // the key is in it where it was written
		clear(w.values)
	}
	for i, v := range c.Values {
		place := i
		if c.Op == merge.Update {
			place = c.Columns[i]
		}
		w.values[sec.Columns[place]] = v
	}
	return w
}

func tableOf(tables []Table, name string) *Table {
	for i := range tables {
		if tables[i].Name == name {
			return &tables[i]
		}
	}
	return nil
}

// standing is a row that stands.
type standing struct {
	values map[string]any
	born   stamp
}

// rules say, per policy, what the writes to one key come to: nil for no row.
var rules = map[string]func([]*write) *standing{"lww": cells, "row": whole}

// cells: of all rows that had the key the one born last stands, unless it was
// deleted, and each cell of it as written last. What was there before watch is
// one row, wherever it was.
func cells(list []*write) *standing {
	last := slices.MaxFunc(list, func(a, b *write) int { return a.born.compare(b.born) }).born
	list = slices.DeleteFunc(slices.Clone(list), func(w *write) bool {
		return w.born != last && !(w.born.time < 0 && last.time < 0)
	})
	slices.SortFunc(list, func(a, b *write) int { return a.at.compare(b.at) })
	row := &standing{values: make(map[string]any)}
	for _, w := range list {
		if w.op == merge.Delete {
			return nil
		}
		if w.op == merge.Insert {
			row.born = w.born // in the end the greatest
		}
		for c, v := range w.values {
			row.values[c] = v
		}
	}
	return row
}

// whole: the last write stands.
func whole(list []*write) *standing {
	last := slices.MaxFunc(list, func(a, b *write) int { return a.at.compare(b.at) })
	if last.op == merge.Delete {
		return nil
	}
	return &standing{last.values, last.born}
}

// expect returns the rows that are in a table, and the keys of those that
// stand but are not: another row has a unique value of theirs. The row born
// first is placed first. What a trigger refuses is neither.
func (m *model) expect(t *Table) (in rows, held map[string]bool) {
	type candidate struct {
		key  string
		row  []any
		born stamp
	}
	var list []candidate
	for key, writes := range m.writes[t.Name] {
		s := rules[t.Policy](writes)
		if s == nil {
			continue
		}
		c := candidate{key: key, born: s.born.unsigned()}
		for _, name := range t.Columns {
			c.row = append(c.row, s.values[name])
		}
		for i, name := range t.Columns { // an update need not carry the key
			if _, ok := s.values[name]; !ok && t.isKey(i) {
				c.row[i] = m.keyValue(t, key, name)
			}
		}
		if t.Refuses == nil || !t.Refuses(c.row) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Or(a.born.compare(b.born), cmp.Compare(a.key, b.key)) })
	in, held = make(rows), make(map[string]bool)
	taken := make(map[string]bool)
	for _, c := range list {
		claims := t.claims(c.row)
		if slices.ContainsFunc(claims, func(s string) bool { return taken[s] }) {
			held[c.key] = true
			continue
		}
		in[c.key] = c.row
		for _, s := range claims {
			taken[s] = true
		}
	}
	return in, held
}

// keyValue finds a key's value in an insert: each row began with one.
func (m *model) keyValue(t *Table, key, column string) any {
	for _, w := range m.writes[t.Name][key] {
		if v, ok := w.values[column]; ok {
			return v
		}
	}
	return nil
}

// claims are the unique values of a row. NULL claims nothing.
func (t *Table) claims(row []any) (list []string) {
	for i, ix := range t.Unique {
		values := t.pick(ix, row)
		if !slices.Contains(values, nil) {
			list = append(list, string(rune('0'+i))+keyOf(ix, values))
		}
	}
	return list
}
