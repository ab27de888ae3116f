package cdc

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/merge/cell"
	"sqlsync/wire"
)

// A snapshot tells rows as the changes that made them: each row's birth with
// its values as they are, then per version the cells that were written later,
// then the deletion of those that are gone. Merged by the ordinary rules, that
// gives every cell its version; what a node has beside it stays as it is.

// snapshotRows is how many keys one part is made of, snapshotBytes about how
// large it becomes at most.
const (
	snapshotRows  = 2000
	snapshotBytes = 4 << 20
)

// Snapshot returns the part of a snapshot of the dataset that begins at a
// cursor, of the tables that wants, which is as in Interest, has. It seals
// first, and reads one range of keys in one short transaction.
func (d *Stream) Snapshot(ctx context.Context, req *wire.SnapshotRequest, wants []string) (*wire.SnapshotPart, error) {
	var part *wire.SnapshotPart
	err := d.whenSealed(ctx, func(t *tx, ds *dataset) (err error) {
		part, err = t.snapshotPart(d.answering(), ds, req.Cursor, wants)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", d.name, err)
	}
	return part, nil
}

// whenSealed calls fn in a transaction in which nothing waits to be sealed.
func (d *Stream) whenSealed(ctx context.Context, fn func(t *tx, ds *dataset) error) error {
	for more := true; more; {
		err := d.s.writeIn(ctx, d.name, func(t *tx) error {
			ds, err := t.dataset(d.name)
			if err != nil {
				return err
			}
			if more, err = t.seal(ds); err != nil || more {
				return err
			}
			return fn(t, ds)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// snapshotPart reads the next part. A cursor is the name of a table and the last
// key of it that was told.
func (t *tx) snapshotPart(d *Stream, ds *dataset, cursor []byte, wants []string) (*wire.SnapshotPart, error) {
	part := &wire.SnapshotPart{}
	chains, err := t.chains(ds)
	if err != nil {
		return nil, err
	}
	var name string
	var after []wire.Value
	if len(cursor) == 0 {
		part.Heads = chains.heads()
	} else {
		values, err := wire.DecodeRow(cursor)
		if err != nil || len(values) == 0 {
			return nil, fmt.Errorf("%w: cursor of a snapshot", wire.ErrInvalid)
		}
		name, _ = values[0].(string)
		after = values[1:]
	}
	to := &dataset{wants: wants}
	tables := slices.DeleteFunc(slices.Clone(t.cfg.tables), func(tab *table) bool {
		return !d.has(tab) || tab.def == nil || tab.name < name || !to.wanting(tab.name)
	})
	slices.SortFunc(tables, func(a, b *table) int { return strings.Compare(a.name, b.name) })
	if len(tables) == 0 {
		return part, nil
	}
	tab := tables[0]
	if tab.name != name || len(after) != len(tab.key) {
		after = nil
	}
	s := t.newSnapshot(ds, tab, chains)
	last, err := s.read(after, nil)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", tab.name, err)
	}
	whole, err := t.whole(tab)
	if err != nil {
		return nil, err
	}
	if part.Parts, err = s.parts(!whole); err != nil {
		return nil, fmt.Errorf("table %s: %w", tab.name, err)
	}
	part.From, part.To = keyBytes(after), keyBytes(last)
	if whole { // else its rows are told, and nothing is said of it
		part.Table, part.Complete = tab.name, tab.tellsAll(ds)
	}
	switch {
	case last != nil:
		part.Cursor = wire.AppendRow(nil, append([]wire.Value{tab.name}, last...))
	case len(tables) > 1:
		part.Cursor = wire.AppendRow(nil, []wire.Value{tables[1].name})
	}
	return part, nil
}

// tellsAll reports whether a row that a snapshot of the dataset does not tell is
// not there, where the table is whole.
func (tab *table) tellsAll(ds *dataset) bool {
	return tab.ds.id == ds.id && len(tab.formers) == 0 && !tab.appends()
}

// whole reports whether everything that this node has heard of is in a table.
func (t *tx) whole(tab *table) (bool, error) {
	if tab.waiting != "" {
		return false, nil
	}
	if ok, err := t.caughtUp(tab); err != nil || !ok {
		return false, err
	}
	needs, err := t.Int(`SELECT needs FROM sqlsync_table WHERE id = ?`, tab.id)
	return err == nil && needs == 0, err
}

// caughtUp reports whether everything that is held for a table was merged, and
// nothing of it is still to come.
func (t *tx) caughtUp(tab *table) (bool, error) {
	for _, ds := range tab.sources() {
		if tab.late(ds) != 0 {
			return false, nil
		}
		if gap, err := t.unfilled(tab, ds); err != nil || gap {
			return false, err
		}
	}
	return true, nil
}

// keyBytes is a key as a part's bound, empty for none.
func keyBytes(key []wire.Value) []byte {
	if key == nil {
		return nil
	}
	return wire.AppendRow(nil, key)
}

// snapshot gathers one part.
type snapshot struct {
	*tx
	ds     *dataset
	tab    *table
	chains chains
	ops    map[phase]map[merge.NodeID][]wire.Change
	// told are the keys that were read so far, bytes is how much was told.
	told  map[string]bool
	bytes int
}

func (t *tx) newSnapshot(ds *dataset, tab *table, chains chains) *snapshot {
	return &snapshot{tx: t, ds: ds, tab: tab, chains: chains, ops: make(map[phase]map[merge.NodeID][]wire.Change), told: make(map[string]bool)}
}

// phase orders what is told of rows: births, the rounds of their updates, and
// deletions.
type phase int

const (
	phaseInsert phase = 0
	phaseDelete phase = 1 << 30
)

// read reads the keys behind after and up to to, nil for all, until the part is
// full. It returns the last one if there may be more.
func (s *snapshot) read(after, to []wire.Value) (last []wire.Value, err error) {
	type remembered struct {
		key []wire.Value
		m   meta
	}
	var rows []remembered
	most := snapshotRows - len(s.told)
	err = s.metas(s.tab, after, to, func(key []wire.Value, m *meta) error {
		if len(rows) >= most {
			return sqlconn.Stop
		}
		rows = append(rows, remembered{slices.Clone(key), *m})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range rows {
		r := &rows[i]
		text := keyText(r.key)
		if s.told[text] {
			return nil, fmt.Errorf("%w: ranges that overlap", wire.ErrInvalid)
		}
		s.told[text] = true
		if err := s.tell(r.key, &r.m); err != nil {
			return nil, err
		}
		if s.bytes > snapshotBytes {
			return r.key, nil
		}
	}
	if len(rows) == most {
		return rows[len(rows)-1].key, nil
	}
	return nil, nil
}

// full reports whether no more is to be read.
func (s *snapshot) full() bool { return len(s.told) >= snapshotRows || s.bytes > snapshotBytes }

// tell turns one row into changes.
func (s *snapshot) tell(key []wire.Value, m *meta) error {
	if m.row.Dead {
		if m.row.Latest != m.row.Birth { // a row of append that was dropped here is no deletion
			s.add(phaseDelete, m.row.Latest.Origin, wire.Change{Op: merge.Delete, HLC: m.row.Latest.HLC, Birth: m.row.Birth, Key: key})
		}
		return nil
	}
	values, err := s.valuesOf(key, m)
	if err != nil || values == nil {
		return err
	}
	for _, v := range values {
		s.bytes += sizeOf(v)
	}
	birth := wire.Change{Op: merge.Insert, Baseline: m.row.Birth.HLC.Baseline(), HLC: m.row.Birth.HLC.Seal(), Key: key}
	birth.Values = slices.Concat(values, make([]wire.Value, len(s.tab.shadows)), s.statesOf(m, values))
	s.add(phaseInsert, m.row.Birth.Origin, birth)
	if s.tab.rule == merge.WholeRow {
		if m.row.Latest != m.row.Birth {
			columns, _ := s.tab.everything()
			s.add(1, m.row.Latest.Origin, wire.Change{Op: merge.Update, HLC: m.row.Latest.HLC, Birth: m.row.Birth, Key: key, Columns: columns, Values: values})
		}
		return nil
	}
	for round, v := range versionsOf(m.row.Cells) {
		s.add(phase(round+1), v.Origin, s.update(key, m, values, v))
	}
	return nil
}

// statesOf are the states of the cells that are as their row was born, where
// they may be more than that: two baselines of a row may have been merged.
func (s *snapshot) statesOf(m *meta, values []wire.Value) []wire.Value {
	var states []wire.Value
	for _, i := range s.tab.wholes() {
		tc := &s.tab.cells[i]
		have, begun := m.states[tc.slot]
		if begun && m.row.Birth.HLC.Baseline() && m.row.Cell(tc.slot) == m.row.Birth {
			states = append(states, have)
		} else {
			states = append(states, nil)
		}
	}
	return states
}

// versionsOf lists the versions that cells have, each once.
func versionsOf(cells []merge.Cell) []merge.Version {
	set := make(map[merge.Version]struct{})
	for _, c := range cells {
		set[c.Version] = struct{}{}
	}
	return slices.SortedFunc(maps.Keys(set), merge.Version.Compare)
}

// update tells the cells that one write set.
func (s *snapshot) update(key []wire.Value, m *meta, values []wire.Value, v merge.Version) wire.Change {
	c := wire.Change{Op: merge.Update, HLC: v.HLC, Birth: m.row.Birth, Key: key}
	var states []traveller
	for i := range s.tab.cells {
		tc := &s.tab.cells[i]
		if m.row.Cell(tc.slot) != v {
			continue
		}
		c.Columns, c.Values = append(c.Columns, i), append(c.Values, values[i])
		if place := slices.Index(s.tab.wholes(), i); place >= 0 && m.states[tc.slot] != nil {
			states = append(states, traveller{len(s.tab.cells) + len(s.tab.shadows) + place, m.states[tc.slot]})
		}
	}
	for _, st := range states {
		c.Columns, c.Values = append(c.Columns, st.column), append(c.Values, st.value)
	}
	return c
}

// valuesOf reads a row's cells, in the table or held.
func (s *snapshot) valuesOf(key []wire.Value, m *meta) ([]wire.Value, error) {
	if m.state == alive {
		return s.readRow(s.tab, key)
	}
	im, err := s.heldImage(s.tab, key)
	return s.tab.valuesIn(im), err
}

func (s *snapshot) add(p phase, origin merge.NodeID, c wire.Change) {
	if s.ops[p] == nil {
		s.ops[p] = make(map[merge.NodeID][]wire.Change)
	}
	s.ops[p][origin] = append(s.ops[p][origin], c)
	s.bytes += 32
}

// parts packs what was gathered, in the order in which it is to be merged.
func (s *snapshot) parts(gap bool) (out []*wire.Sealed, err error) {
	columns := slices.Concat(s.tab.cellNames(), s.tab.shadowNames(), s.tab.wholeNames())
	for _, p := range slices.Sorted(maps.Keys(s.ops)) {
		for _, origin := range slices.SortedFunc(maps.Keys(s.ops[p]), merge.NodeID.Compare) {
			changes := s.ops[p][origin]
			slices.SortFunc(changes, func(a, b wire.Change) int { return cmp.Compare(a.HLC, b.HLC) })
			b := wire.Batch{
				Header: wire.Header{Dataset: s.ds.name, Origin: origin, Seq: 1, First: changes[0].HLC, Last: changes[len(changes)-1].HLC,
					Seen: s.chains.horizons(merge.NodeID{}, gap)},
				Sections: []wire.Section{{Table: s.tab.name, Key: s.tab.keyNames(), Columns: columns, Changes: changes}},
			}
			sealed, err := wire.Seal(&b, func(wire.Hash) []byte { return make([]byte, 64) })
			if err != nil {
				return nil, err
			}
			out = append(out, sealed)
		}
	}
	return out, nil
}

// wholeSuffix is behind the name of a column that has a cell's whole state.
const wholeSuffix = "\x00whole"

// wholes are the cells with a policy of their own: a snapshot tells their states.
func (tab *table) wholes() []int {
	var list []int
	for i := range tab.cells {
		if tab.cells[i].policy.Kind != cell.LastWriter {
			list = append(list, i)
		}
	}
	return list
}

func (tab *table) wholeNames() []string {
	var names []string
	for _, i := range tab.wholes() {
		names = append(names, tab.cells[i].name+wholeSuffix)
	}
	return names
}
