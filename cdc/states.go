package cdc

import (
	"fmt"
	"slices"

	"sqlsync/merge"
	"sqlsync/merge/cell"
	"sqlsync/wire"
)

// Cells with a policy of their own have a state beside their value, see package
// merge/cell. It is kept in the row's metadata. What peers need of a write
// beside its value travels in a column of the section that is none of the
// table's: the cell's name with this behind it.
const shadowSuffix = "\x00state"

func (tab *table) shadowNames() []string {
	names := make([]string, len(tab.shadows))
	for i, c := range tab.shadows {
		names[i] = tab.cells[c].name + shadowSuffix
	}
	return names
}

// bearStates gives the cells of a row that was just born their states. cells
// are those that have values, nil for all.
func (m *meta) bearStates(tab *table, cells []int, values []wire.Value) {
	m.states = nil
	if !tab.special() {
		return
	}
	if cells == nil {
		cells, _ = tab.everything()
	}
	for i, c := range cells {
		if tc := &tab.cells[c]; tc.policy.Kind != cell.LastWriter {
			m.setState(tc.slot, tc.policy.New(values[i], m.row.Birth).Append(nil))
		}
	}
}

// stateOf reads the state of a cell. One that has none yet, because the policy
// is new, begins with the value as it is.
func (m *meta) stateOf(tc *tableCell, value wire.Value) (cell.State, error) {
	b, ok := m.states[tc.slot]
	if !ok {
		return tc.policy.New(value, m.row.Cell(tc.slot)), nil
	}
	s, err := tc.policy.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return s, nil
}

// traveller is what travels beside the value of a cell.
type traveller struct {
	column int // of the section
	value  []byte
}

// writeStates takes what the application wrote into cells with a policy of
// their own. A value that does not stand by the policy is put back and listed.
// It returns what is left to be sealed.
func (s *sealer) writeStates(tab *table, r *touched, columns, slots []int, v merge.Version) (keptColumns, keptSlots []int, travels []traveller, err error) {
	for n, i := range columns {
		tc := &tab.cells[i]
		if tc.policy.Kind == cell.LastWriter {
			keptColumns, keptSlots = append(keptColumns, i), append(keptSlots, slots[n])
			continue
		}
		if r.meta.hashes.at(tc.slot) == hashValue(r.values[i]) && (s.insisted == nil || tc.policy.Ordered()) {
			continue // of a row inserted anew: nobody has added anything
		}
		_, begun := r.meta.states[tc.slot]
		st, err := r.meta.stateOf(tc, r.values[i])
		if err != nil {
			return nil, nil, nil, err
		}
		var travelled []byte
		if begun {
			stood := false
			if travelled, stood = st.Write(r.values[i], v); !stood {
				if err := s.putBack(tab, r, i, st.Value(), v); err != nil {
					return nil, nil, nil, err
				}
				continue
			}
		} else {
			st = tc.policy.New(r.values[i], v)
		}
		r.meta.setState(tc.slot, st.Append(nil))
		keptColumns, keptSlots = append(keptColumns, i), append(keptSlots, tc.slot)
		if place := slices.Index(tab.shadows, i); place >= 0 && travelled != nil {
			travels = append(travels, traveller{len(tab.cells) + place, travelled})
		}
	}
	return keptColumns, keptSlots, travels, nil
}

// putBack undoes a write that does not stand, and lists it.
func (s *sealer) putBack(tab *table, r *touched, i int, stands wire.Value, v merge.Version) error {
	l := merge.Loss{Kind: merge.KindCell, Winner: r.meta.row.Cell(tab.cells[i].slot), Loser: v, Incoming: true}
	one := []int{i}
	if err := s.writeConflict(tab, r.key, l, tab.imageOf(one, []wire.Value{stands}), tab.imageOf(one, []wire.Value{r.values[i]})); err != nil {
		return err
	}
	r.values[i] = stands
	_, err := s.Exec(tab.update(one), slices.Concat([]wire.Value{stands}, r.key)...)
	if err != nil && refusable(err) {
		s.s.log.Warn("cannot put back a value", "table", tab.name, "err", err)
		return nil
	}
	return err
}

// bearStates gives the cells of a row that came their states.
func (a *applier) bearStates(act *action) {
	act.m.bearStates(a.tab, act.cells, act.values)
	for c := range a.wholes {
		if whole := a.beside(act, a.wholes, c); whole != nil {
			act.m.setState(a.tab.cells[c].slot, whole)
		}
	}
}

// checkWholes refuses states that a snapshot tells and that are none.
func (a *applier) checkWholes(changes []wire.Change) error {
	if len(a.wholes) == 0 {
		return nil
	}
	for i := range changes {
		for c := range a.wholes {
			if whole := a.beside(&action{c: &changes[i]}, a.wholes, c); whole != nil {
				if _, err := a.tab.cells[c].policy.Decode(whole); err != nil {
					return a.invalid(c, err)
				}
			}
		}
	}
	return nil
}

// joinBirth has the states merged that a snapshot tells with the birth of a row
// that is here already.
func (a *applier) joinBirth(act *action, w merge.Write) {
	if len(a.wholes) == 0 || w.Op != merge.Insert || act.out.Effect != merge.Keep || act.m.row.Dead || act.m.row.Birth != w.Birth {
		return
	}
	for c := range a.wholes {
		if a.beside(act, a.wholes, c) != nil {
			act.out.Effect = merge.Set
			act.out.Merged = append(act.out.Merged, a.tab.cells[c].slot)
		}
	}
}

// invalid is the error about a peer's state of a cell.
func (a *applier) invalid(c int, err error) error {
	return fmt.Errorf("%w: %s of %s: %w", wire.ErrInvalid, a.tab.cells[c].name, a.tab.name, err)
}

// mergeStates lets the policies of cells merge what the change has for them. It
// returns the cells whose values are now others.
func (a *applier) mergeStates(act *action) (cells []int, values []wire.Value, err error) {
	var now []wire.Value // the row as it is, if it must be known
	for i, c := range act.cells {
		tc := &a.tab.cells[c]
		rebase := slices.Contains(act.out.Rebased, tc.slot)
		if !rebase && !slices.Contains(act.out.Merged, tc.slot) {
			continue
		}
		var local wire.Value
		if _, ok := act.m.states[tc.slot]; !ok && !a.metaOnly {
			if now == nil {
				if now, err = a.localValues(act); err != nil {
					return nil, nil, err
				}
			}
			local = now[c]
		}
		st, err := act.m.stateOf(tc, local)
		if err != nil {
			return nil, nil, err
		}
		before := st.Value()
		if rebase && a.beside(act, a.wholes, c) == nil {
			st.Rebase(act.values[i], act.c.BirthAt(a.origin))
		} else if err := a.mergeState(act, i, st); err != nil {
			return nil, nil, err
		}
		act.m.setState(tc.slot, st.Append(nil))
		if after := st.Value(); hashValue(before) != hashValue(after) || hashValue(after) != act.m.hashes.at(tc.slot) {
			cells, values = append(cells, c), append(values, after)
		}
	}
	return cells, values, nil
}

func (a *applier) mergeState(act *action, i int, st cell.State) error {
	c := act.cells[i]
	before := st.Value()
	v := act.c.Version(a.origin)
	if whole := a.beside(act, a.wholes, c); whole != nil {
		if err := a.tab.cells[c].policy.Join(st, whole); err != nil {
			return a.invalid(c, err)
		}
		return nil
	}
	loss, err := st.Merge(act.values[i], a.beside(act, a.shadows, c), v, a.seen)
	if err != nil {
		return a.invalid(c, err)
	}
	a.unevens = a.unevens || loss.Baseless
	if a.metaOnly || a.again(c) {
		return nil
	}
	one := []int{c}
	merged := a.tab.imageOf(one, []wire.Value{st.Value()})
	stands := hashValue(st.Value()) // where it is what was lost, nothing was
	if !loss.Incoming.IsZero() && stands != hashValue(act.values[i]) {
		l := merge.Loss{Kind: merge.KindCell, Winner: loss.Incoming, Loser: v, Incoming: true}
		if err := a.list(act, l, merged, a.tab.imageOf(one, act.values[i:i+1])); err != nil {
			return err
		}
	}
	if !loss.Local.IsZero() && stands != hashValue(before) {
		l := merge.Loss{Kind: merge.KindCell, Winner: v, Loser: loss.Local}
		return a.list(act, l, merged, a.tab.imageOf(one, []wire.Value{before}))
	}
	return nil
}

// beside is what came with a cell's value, nil if nothing did.
func (a *applier) beside(act *action, columns map[int]int, c int) []byte {
	column, ok := columns[c]
	if !ok {
		return nil
	}
	if act.c.Op == merge.Insert {
		b, _ := act.c.Values[column].([]byte)
		return b
	}
	if i, ok := slices.BinarySearch(act.c.Columns, column); ok {
		b, _ := act.c.Values[i].([]byte)
		return b
	}
	return nil
}

// localValues are the row's cells as they are, in the table or held.
func (a *applier) localValues(act *action) ([]wire.Value, error) {
	im, err := a.localImage(act)
	return a.tab.valuesIn(im), err
}

// beginStates gives every row the states that a new policy needs, and forgets
// those of policies that are no longer.
func (t *tx) beginStates(tab *table) error {
	var keys [][]wire.Value
	err := t.metas(tab, nil, nil, func(key []wire.Value, m *meta) error {
		if m.state == alive {
			keys = append(keys, slices.Clone(key))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(keys, applyChunk) {
		metas, err := t.lookup(tab, part)
		if err != nil {
			return err
		}
		var news []remembered
		for i := range metas {
			values, err := t.readRow(tab, part[i])
			if err != nil {
				return err
			}
			if values == nil {
				continue
			}
			m := &metas[i]
			old := m.states
			m.states = nil
			bare := len(m.hashes) == 0 && !tab.appends()
			if bare {
				m.hashes = tab.hash(values)
			}
			for c := range tab.cells {
				tc := &tab.cells[c]
				if tc.policy.Kind != cell.LastWriter && m.hashes.at(tc.slot) == hashValue(values[c]) {
					m.setState(tc.slot, tc.policy.New(values[c], m.row.Cell(tc.slot)).Append(nil))
				}
			}
			if bare || len(old)+len(m.states) > 0 {
				news = append(news, remembered{part[i], m})
			}
		}
		if err := t.remember(tab, news); err != nil {
			return err
		}
	}
	return nil
}
