package cdc

import (
	"slices"
	"strings"

	"sqlsync/merge"
	"sqlsync/wire"
)

// applyChunk is how many changes have their metadata in memory at once.
const applyChunk = 512

// applier merges the changes of one section into one table.
type applier struct {
	*tx
	tab    *table
	ds     *dataset // of the batch
	pos    int64    // of the batch
	origin merge.NodeID
	seen   merge.Seen
	// columns maps the section's columns to the table's cells, -1 where the
	// table has no such column.
	columns []int
	// insert are the cells that an insert of this section carries, slots their
	// slots.
	insert, slots []int
	// last is what the last update carried: most of a section carry the same.
	last carriage
	// shadows are the places in the section of what travels beside cells.
	shadows map[int]int
	// remerging says that the section was merged before: what is lost now is
	// listed only of columns that have just come.
	remerging bool
	// fromSnapshot says that the changes are rows as a snapshot tells them;
	// rows born up to forgotten that are not here were deleted here.
	// What the origin wrote up to heard was merged here before, and what it lost
	// listed then.
	fromSnapshot     bool
	forgotten, heard merge.HLC
	// restating says that the rows are of another end of a chain, see restate.
	restating bool
	// wholes are the places in the section of cells' whole states.
	wholes map[int]int
	// conflicts says that something is listed of the table, listed of which of
	// the rows at hand, by listedKey.
	conflicts bool
	listed    map[string]bool
	// updating is the statement that sets the cells updated: most rows of a
	// section have the same ones.
	updated  []int
	updating string
	// rekeys says that what is inserted may be what was listed as lost, under
	// another key.
	rekeys bool
	// adopting says that rows found without metadata were sealed already.
	adopting bool
	// metaOnly leaves the user's table and the conflict log as they are.
	metaOnly bool
	// plain is how many columns the section has that are not beside others.
	plain int
	// unevens says that a change was made by another policy and is merged by the
	// order in which changes come.
	unevens bool
}

// carriage is what an update of some of the section's columns carries.
type carriage struct {
	columns, cells, slots []int
	// plain says that all of the columns are cells without a policy of their own.
	plain bool
}

// carries notes in last what an update of some columns carries.
func (a *applier) carries(columns []int) *carriage {
	if a.last.columns == nil || !slices.Equal(columns, a.last.columns) {
		a.last = carriage{columns: columns, plain: !a.tab.special()}
		for _, column := range columns {
			cell := a.columns[column]
			if cell < 0 {
				a.last.plain = false
				break
			}
			a.last.cells, a.last.slots = append(a.last.cells, cell), append(a.last.slots, a.tab.cells[cell].slot)
		}
	}
	return &a.last
}

// action is one change with what is known of its row and what it comes to.
type action struct {
	c *wire.Change
	m *meta
	// cells and values are what the change carries, by the table's cells.
	cells  []int
	values []wire.Value
	out    merge.Outcome
	// carried is how a row has moved that lost its new key too.
	carried *moved
	// otherBaseline says that the author had another baseline of the row.
	otherBaseline bool
}

// newApplier begins to merge a section of the batch held at pos. Its key is the
// table's.
func (t *tx) newApplier(tab *table, ds *dataset, pos int64, h *wire.Header, sec *wire.Section) (*applier, error) {
	a := &applier{tx: t, tab: tab, ds: ds, pos: pos, origin: h.Origin, remerging: ds.id == tab.ds.id && pos < tab.freshFrom}
	for place, name := range sec.Columns {
		if !isShadow(name) {
			a.plain++
		}
		if cell, ok := strings.CutSuffix(name, shadowSuffix); ok {
			if a.shadows == nil {
				a.shadows = make(map[int]int)
			}
			if i := tab.cellNamed(cell); i >= 0 {
				a.shadows[i] = place
			}
		}
		if cell, ok := strings.CutSuffix(name, wholeSuffix); ok {
			if a.wholes == nil {
				a.wholes = make(map[int]int)
			}
			if i := tab.cellNamed(cell); i >= 0 {
				a.wholes[i] = place
			}
		}
	}
	horizon := make(map[[8]byte]merge.HLC, len(h.Seen))
	for _, s := range h.Seen {
		horizon[s.Origin] = s.HLC
	}
	a.seen = func(origin merge.NodeID) merge.HLC { return horizon[[8]byte(origin[:8])] }
	if former := tab.formerly(ds); former != nil { // the author had not seen what was written here since the move
		all := a.seen
		a.seen = func(origin merge.NodeID) merge.HLC {
			if t.mine(origin) {
				return min(all(origin), former.at)
			}
			return all(origin)
		}
	}
	var lacking []string
	a.columns = tab.cellsOf(sec.Columns)
	for place, name := range sec.Columns {
		i := a.columns[place]
		if i >= 0 {
			a.insert, a.slots = append(a.insert, i), append(a.slots, tab.cells[i].slot)
		} else {
			lacking = append(lacking, name)
		}
	}
	var err error
	if a.conflicts, err = t.hasConflicts(tab); err != nil {
		return nil, err
	}
	if a.rekeys = a.conflicts && tab.rekeys(); !a.rekeys {
		if a.rekeys, err = t.mayGoAlong(tab); err != nil {
			return nil, err
		}
	}
	if len(lacking) > 0 && ds.id != tab.ds.id {
		if err := t.orphaned(tab, ds, pos); err != nil {
			return nil, err
		}
		if pos, err = t.Int(`SELECT pos + 1 FROM sqlsync_dataset WHERE id = ?`, tab.ds.id); err != nil {
			return nil, err
		}
	}
	return a, t.lack(tab, pos, lacking)
}

// apply merges up to applyChunk changes, each to a row of its own.
func (a *applier) apply(changes []wire.Change) error {
	if a.tab.localIDs() {
		return a.addRows(changes)
	}
	keys := make([][]wire.Value, len(changes))
	for i := range changes {
		keys[i] = changes[i].Key
	}
	metas, err := a.lookup(a.tab, keys)
	if err != nil {
		return err
	}
	if a.listed, err = a.listedAmong(keys); err != nil {
		return err
	}
	var (
		inserts []*action
		news    []remembered
		again   []wire.Change
		actions = make([]action, len(changes))
	)
	// What frees unique values goes before what takes them.
	for _, pass := range []merge.Op{merge.Delete, merge.Update, merge.Insert} {
		for i := range changes {
			if changes[i].Op != pass {
				continue
			}
			act := &actions[i]
			a.decide(act, &changes[i], &metas[i])
			write, insert, err := a.enact(act)
			if err != nil {
				return err
			}
			if insert {
				inserts = append(inserts, act)
			} else if write {
				news = append(news, remembered{act.metaKey(), act.m})
			}
		}
	}
	width := len(a.tab.key) + len(a.insert)
	if len(a.tab.def.Triggers) > 0 { // one may ignore a row, which only shows row by row
		width = maxVariables
	}
	for part := range parts(inserts, width) {
		if err := a.insertRows(part, &news, &again); err != nil {
			return err
		}
	}
	if err := a.remember(a.tab, news); err != nil {
		return err
	}
	if a.restating {
		a.restates(actions)
	}
	if len(again) > 0 {
		return a.adopt(again)
	}
	return nil
}

func (a *applier) decide(act *action, c *wire.Change, m *meta) {
	act.c, act.m = c, m
	w := merge.Write{Op: c.Op, Birth: c.BirthAt(a.origin), Version: c.Version(a.origin)}
	switch {
	case c.Op == merge.Insert && len(a.insert) == len(a.columns) && !a.tab.special():
		act.cells, act.values, w.Columns = a.insert, c.Values, a.slots
	case c.Op == merge.Update && a.carries(c.Columns).plain:
		act.cells, act.values, w.Columns = slices.Clip(a.last.cells), c.Values, slices.Clip(a.last.slots)
	default:
		for i, v := range c.Values {
			column := i
			if c.Op == merge.Update {
				column = c.Columns[i]
			}
			if cell := a.columns[column]; cell >= 0 {
				act.cells, act.values = append(act.cells, cell), append(act.values, v)
				if slot := a.tab.cells[cell].slot; a.tab.merges(cell) {
					w.Merged = append(w.Merged, slot)
				} else {
					w.Columns = append(w.Columns, slot)
				}
			}
		}
	}
	if a.fromSnapshot && !m.exists() && w.Op == merge.Insert && w.Birth.HLC.Seal() <= a.forgotten {
		act.out = merge.Outcome{Row: m.row, Effect: merge.Orphan}
		return
	}
	if a.tab.rule == merge.WholeRow && c.Op == merge.Update && len(c.Columns) < a.plain {
		a.unevens = true // made cell by cell
	}
	act.out = merge.Merge(a.tab.rule, m.row, w, a.seen)
	a.joinBirth(act, w)
	act.land(a.tab, w)
}

// enact does what the outcome says to the user's table. It reports whether
// metadata is to be written, or that the row is to be inserted with others.
func (a *applier) enact(act *action) (write, insert bool, err error) {
	if !a.metaOnly {
		if a.rekeys && act.c.Op == merge.Insert && !a.remerging {
			if err := a.insertedAnew(act); err != nil {
				return false, false, err
			}
		}
		a.remind(act)
		if err := a.settle(act); err != nil {
			return false, false, err
		}
		if err := a.unlistOrphan(act); err != nil {
			return false, false, err
		}
		if err := a.fosterOrphans(act); err != nil {
			return false, false, err
		}
		if err := a.logLosses(act); err != nil {
			return false, false, err
		}
	}
	switch act.out.Effect {
	case merge.Remove:
		return true, false, a.removeRow(act)
	case merge.Set:
		return true, false, a.setCells(act)
	case merge.Replace:
		if act.m.exists() && act.m.state != dead {
			return true, false, a.replaceRow(act)
		}
		return false, true, nil
	}
	if act.out.Effect == merge.Orphan && !a.fromSnapshot {
		if err := a.orphaned(a.tab, a.ds, a.pos); err != nil {
			return false, false, err
		}
	}
	changed := !sameRow(act.m.row, act.out.Row)
	act.m.row = act.out.Row
	return changed, false, nil
}

func sameRow(a, b merge.Row) bool {
	return a.Birth == b.Birth && a.Dead == b.Dead && a.Latest == b.Latest && slices.Equal(a.Cells, b.Cells)
}

// metaKey is the key under which the metadata is written: the change's, which
// is the newer spelling where equal keys differ in bytes, unless the row keeps
// its own.
func (act *action) metaKey() []wire.Value {
	if act.m.key != nil && act.out.Effect != merge.Replace {
		return act.m.key
	}
	return act.c.Key
}

func (a *applier) removeRow(act *action) error {
	if act.m.exists() && !a.metaOnly {
		switch act.m.state {
		case alive:
			if _, err := a.Exec(a.tab.tableSQL.remove, act.m.key...); err != nil {
				return a.refuse(act, err)
			}
			a.suspectParent(suspect{a.tab, act.m.key, a.saw})
		case held:
			if err := a.unhold(a.tab, act.m.key); err != nil {
				return err
			}
		}
	}
	act.m.bury(act.out.Row)
	return nil
}

// setCells takes what stands of the change's cells.
func (a *applier) setCells(act *action) error {
	slots := act.out.Columns
	cells, values, err := a.mergeStates(act)
	if err != nil {
		return err
	}
	whole := len(cells) == 0 && len(slots) == len(act.cells) && !a.tab.special()
	if whole {
		cells, values = act.cells, act.values
	}
	for i, cell := range act.cells {
		if tc := &a.tab.cells[cell]; !whole && slices.Contains(slots, tc.slot) {
			cells, values = append(cells, cell), append(values, act.values[i])
			if a.tab.merges(cell) { // landing in a column that has just come
				act.m.setState(tc.slot, tc.policy.New(act.values[i], act.m.row.Birth).Append(nil))
			}
		}
	}
	if act.out.Row.Birth.HLC.Baseline() && act.c.Op == merge.Update {
		act.m.wrote(slices.Concat(slots, act.out.Merged))
	}
	act.m.row = act.out.Row
	if act.c.Baseline {
		act.rebaseline(a.tab)
	}
	return a.updateRow(act, cells, values)
}

// rebaseline makes the change's values the baseline also of cells that were
// written since.
func (act *action) rebaseline(tab *table) {
	for i, cell := range act.cells {
		for j := range act.m.bases {
			if act.m.bases[j].slot == tab.cells[cell].slot {
				act.m.bases[j].hash = hashValue(act.values[i])
			}
		}
	}
}

// replaceRow makes a row that is there what the change carries. What its author
// has no columns for is as in a row that is inserted: it is none of what the row
// was, and may still come.
func (a *applier) replaceRow(act *action) error {
	act.m.row, act.m.bases = act.out.Row, nil
	if act.m.state == held && !a.metaOnly {
		if err := a.rekeyHeld(a.tab, act.m.key, act.c.Key); err != nil {
			return err
		}
	}
	act.m.key = act.c.Key
	a.bearStates(act)
	cells, values := act.cells, act.values
	if act.c.Op == merge.Insert && len(cells) < len(a.tab.cells) {
		cells, values = slices.Clone(cells), slices.Clone(values)
		for i := range a.tab.cells {
			if !slices.Contains(act.cells, i) {
				cells, values = append(cells, i), append(values, a.tab.cells[i].initial)
			}
		}
	}
	err := a.updateRow(act, cells, values)
	for _, i := range cells[len(act.cells):] {
		act.m.hashes = act.m.hashes.with(a.tab.cells[i].slot, unknown)
	}
	return err
}

// updateRow writes cells of a row that is in the table or held.
func (a *applier) updateRow(act *action, cells []int, values []wire.Value) error {
	act.m.hashes = slices.Clone(act.m.hashes)
	for i, cell := range cells {
		act.m.hashes = act.m.hashes.with(a.tab.cells[cell].slot, hashValue(values[i]))
	}
	if len(cells) == 0 || a.metaOnly {
		return nil
	}
	if act.m.state == held {
		return a.updateHeld(a.tab, act.m.key, cells, values)
	}
	if !slices.Equal(cells, a.updated) || a.updating == "" {
		a.updated, a.updating = slices.Clone(cells), a.tab.update(cells)
	}
	a.args = append(append(a.args[:0], values...), act.m.key...)
	changed, err := a.Exec(a.updating, a.args...)
	if err != nil {
		return a.holdUpdate(act, cells, values, err)
	}
	a.suspectRow(suspect{a.tab, act.m.key, a.saw}, cells, values, true)
	if changed == 0 { // the row went without a mark: let the next seal see it
		return a.mark(a.tab, act.m.key)
	}
	return nil
}
