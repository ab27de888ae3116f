package cdc

import (
	"errors"
	"fmt"
	"strings"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/wire"
)

// Why a row is held.
const (
	heldUnique = "unique" // another row has a unique value of it
	heldRow    = "row"    // a constraint or trigger of the application refuses it
	heldRemove = "remove" // a trigger of the application refuses its deletion
)

// readRow reads a row's cells, nil if it is not in the table.
func (t *tx) readRow(tab *table, key []wire.Value) (values []wire.Value, err error) {
	err = t.Query(func(row []any) error {
		values = append(make([]wire.Value, 0, len(tab.cells)), row[:len(tab.cells)]...)
		return sqlconn.Stop
	}, tab.read, key...)
	return values, err
}

func (t *tx) rowThere(tab *table, key []wire.Value) (bool, error) {
	values, err := t.readRow(tab, key)
	return values != nil, err
}

// mark marks one key to be compared by the next seal.
func (t *tx) mark(tab *table, key []wire.Value) error {
	k := tab.list("k%d", ", ", len(key))
	_, err := t.Exec(fmt.Sprintf(`INSERT INTO %s (table_id, op, at, %s) VALUES (%d, %d, julianday('now')%s)`,
		tab.ds.oplog(), k, tab.id, opCheck, strings.Repeat(", ?", len(key))), key...)
	return err
}

// holdRow keeps a row that stands but cannot be in the table.
func (t *tx) holdRow(tab *table, m *meta, key []wire.Value, cells []int, values []wire.Value, cause error) error {
	m.state = held
	im := tab.imageOf(cells, values)
	if err := t.writeHeld(tab, key, im, cause); err != nil || !sqlconn.Unique(cause) {
		return err
	}
	return t.listUnique(tab, &heldItem{key: key, im: im, m: *m})
}

func (t *tx) writeHeld(tab *table, key []wire.Value, im image, cause error) error {
	kind, reason := heldRow, "a trigger of the application ignored the row"
	if cause != nil {
		reason = cause.Error()
	}
	if sqlconn.Unique(cause) || errors.Is(cause, errDisplaced) {
		kind = heldUnique
	}
	return t.writeHeldAs(tab, key, im, kind, reason)
}

func (t *tx) writeHeldAs(tab *table, key []wire.Value, im image, kind, reason string) error {
	_, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_held (table_id, key, image, kind, reason) VALUES (?, ?, ?, ?, ?)`,
		tab.id, wire.AppendRow(nil, key), im.encode(), kind, reason)
	if err != nil {
		return fmt.Errorf("hold row: %w", err)
	}
	return nil
}

func (t *tx) unhold(tab *table, key []wire.Value) error {
	if _, err := t.Exec(`DELETE FROM sqlsync_held WHERE table_id = ? AND key = ?`, tab.id, wire.AppendRow(nil, key)); err != nil {
		return err
	}
	return t.unlistUnique(tab, key)
}

// rekeyHeld gives a held row the key as its next incarnation spells it. That
// one is listed when it turns out not to fit either.
func (t *tx) rekeyHeld(tab *table, from, to []wire.Value) error {
	if _, err := t.Exec(`UPDATE sqlsync_held SET key = ? WHERE table_id = ? AND key = ?`, wire.AppendRow(nil, to), tab.id, wire.AppendRow(nil, from)); err != nil {
		return fmt.Errorf("hold row: %w", err)
	}
	return t.unlistUnique(tab, from)
}

// supplanted emits the insert of a row under the key of one that is held. The
// application could not see that one, so it is lost to the new row as if their
// authors had not seen each other.
func (s *sealer) supplanted(tab *table, r *touched) error {
	was := r.meta
	lost, err := s.heldImage(tab, was.key)
	if err != nil {
		return err
	}
	if err := s.unhold(tab, was.key); err != nil {
		return err
	}
	s.inserted(tab, r)
	all, _ := tab.everything()
	return s.writeConflict(tab, r.key, merge.Loss{Kind: merge.KindKey, Winner: r.meta.row.Birth, Loser: was.row.Birth},
		tab.imageOf(all, r.values), lost)
}

// heldKeys are keys of rows that are held.
type heldKeys map[heldKey]bool

type heldKey struct {
	table int64
	key   string
}

func (k *heldKeys) add(tab *table, key []wire.Value) {
	if *k == nil {
		*k = make(heldKeys)
	}
	(*k)[heldKey{tab.id, keyText(key)}] = true
}

func (k heldKeys) has(tab *table, key []wire.Value) bool {
	return k[heldKey{tab.id, keyText(key)}]
}

// restatedHeld emits the insert of a row that is held, and stays so. No seal finds
// it otherwise: it is not in the table.
func (s *sealer) restatedHeld(tab *table, r *touched) error {
	im, err := s.heldImage(tab, r.key)
	if err != nil {
		return err
	}
	r.values = tab.valuesIn(im)
	s.inserted(tab, r)
	r.meta.state = held
	if err := s.unlistUnique(tab, r.key); err != nil {
		return err
	}
	return s.listUnique(tab, &heldItem{key: r.key, im: im, m: r.meta})
}

// heldImage is a held row.
func (t *tx) heldImage(tab *table, key []wire.Value) (im image, err error) {
	err = t.Query(func(row []any) (err error) {
		im, err = decodeImage(row[0].([]byte))
		return err
	}, `SELECT image FROM sqlsync_held WHERE table_id = ? AND key = ?`, tab.id, wire.AppendRow(nil, key))
	return im, err
}

// valuesIn are the cells of a row by its image.
func (tab *table) valuesIn(im image) []wire.Value {
	values := make([]wire.Value, len(tab.cells))
	for _, c := range im {
		if i := tab.cellNamed(c.name); i >= 0 {
			values[i] = c.value
		}
	}
	return values
}

// updateHeld writes cells of a row that is held.
func (t *tx) updateHeld(tab *table, key []wire.Value, cells []int, values []wire.Value) error {
	id := wire.AppendRow(nil, key)
	im, err := t.heldImage(tab, key)
	if err != nil {
		return err
	}
	for i, c := range cells {
		im = im.set(tab.cells[c].name, values[i])
	}
	_, err = t.Exec(`UPDATE sqlsync_held SET image = ? WHERE table_id = ? AND key = ?`, im.encode(), tab.id, id)
	return err
}

// holdUpdate takes a row out of the table whose update was refused, and keeps
// it as the update makes it.
func (a *applier) holdUpdate(act *action, cells []int, values []wire.Value, cause error) error {
	if !refusable(cause) {
		return fmt.Errorf("update row: %w", cause)
	}
	row, err := a.readRow(a.tab, act.m.key)
	if err != nil || row == nil {
		return err
	}
	all, _ := a.tab.everything()
	for i, c := range cells {
		row[c] = values[i]
	}
	if _, err := a.Exec(a.tab.tableSQL.remove, act.m.key...); err != nil && !refusable(err) {
		return err
	} else if err != nil { // it can neither change nor go: the application decides
		return a.mark(a.tab, act.m.key)
	}
	a.suspectParent(suspect{a.tab, act.m.key, sawNone})
	return a.holdRow(a.tab, act.m, act.m.key, all, row, cause)
}

// refuse notes a deletion that the application's trigger does not let happen.
func (a *applier) refuse(act *action, cause error) error {
	if !refusable(cause) {
		return fmt.Errorf("delete row: %w", cause)
	}
	return a.writeHeldAs(a.tab, act.m.key, nil, heldRemove, cause.Error())
}
