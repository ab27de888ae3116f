package cdc

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/wire"
)

// heldItem is one held row with its metadata.
type heldItem struct {
	key    []wire.Value
	im     image
	kind   string
	m      meta
	reason string
}

var errDisplaced = errors.New("an older row has the same unique value")

// retryHeld tries to put held rows into the table: whatever stood in their way
// may have changed. Of rows that claim one unique value the one born first
// has it; taken in that order, which rows are in the table depends on the
// merged state alone and not on the order of arrival.
func (t *tx) retryHeld(tab *table) error {
	items, err := t.readHeld(tab)
	if err != nil || len(items) == 0 {
		return err
	}
	for len(items) > 0 {
		it := items[0]
		items = items[1:]
		displaced, err := t.place(tab, it)
		if err != nil {
			return fmt.Errorf("put back a held row of %s: %w", tab.name, err)
		}
		if len(displaced) > 0 {
			items = append(items, displaced...)
			slices.SortStableFunc(items, bornFirst)
		}
	}
	return nil
}

func bornFirst(a, b *heldItem) int {
	x, y := a.m.row.Birth, b.m.row.Birth
	return cmp.Or(cmp.Compare(x.HLC.Seal(), y.HLC.Seal()), x.Origin.Compare(y.Origin))
}

func (t *tx) readHeld(tab *table) ([]*heldItem, error) {
	var items []*heldItem
	var keys [][]wire.Value
	err := t.Query(func(row []any) error {
		key, err := wire.DecodeRow(row[0].([]byte))
		if err != nil || len(key) != len(tab.key) {
			return errDamaged
		}
		im, err := decodeImage(row[1].([]byte))
		items, keys = append(items, &heldItem{key: key, im: im, kind: row[2].(string), reason: row[3].(string)}), append(keys, key)
		return err
	}, `SELECT key, image, kind, reason FROM sqlsync_held WHERE table_id = ?`, tab.id)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	metas, err := t.lookup(tab, keys)
	if err != nil {
		return nil, err
	}
	for i := range items {
		items[i].m = metas[i]
	}
	slices.SortStableFunc(items, bornFirst)
	return items, nil
}

// place tries to put one held row into the table. It returns the rows that
// had to leave because they were born later and hold a unique value of it.
func (t *tx) place(tab *table, it *heldItem) (displaced []*heldItem, err error) {
	if it.kind == heldRemove {
		if _, err := t.Exec(tab.tableSQL.remove, it.key...); err != nil {
			if refusable(err) {
				err = nil
			}
			return nil, err
		}
		return nil, t.unhold(tab, it.key)
	}
	inserted, cause := t.insertImage(tab, it)
	if !inserted && refusable(cause) {
		if there, err := t.rowThere(tab, it.key); err != nil {
			return nil, err
		} else if there { // it came back without a mark: let the next seal see it
			return nil, t.mark(tab, it.key)
		}
		if displaced, err = t.displace(tab, it); err != nil {
			return nil, err
		}
		if len(displaced) > 0 {
			inserted, cause = t.insertImage(tab, it)
		}
	}
	switch {
	case inserted:
		it.m.state = alive
		t.suspectRow(suspect{tab, it.key, sawAll}, nil, nil, true)
		if err := t.unhold(tab, it.key); err != nil {
			return nil, err
		}
		return displaced, t.remember(tab, []remembered{{it.key, &it.m}})
	case !refusable(cause):
		return nil, cause
	case sqlconn.Unique(cause):
		return displaced, t.listUnique(tab, it)
	}
	return displaced, nil
}

func (t *tx) insertImage(tab *table, it *heldItem) (bool, error) {
	var cells []int
	args := slices.Clone(it.key)
	for _, c := range it.im {
		i := tab.cellNamed(c.name)
		if i < 0 {
			continue
		}
		if place := tab.cells[i].key; place >= 0 { // equal, and spelled as it is now
			args[place] = c.value
			continue
		}
		cells, args = append(cells, i), append(args, c.value)
	}
	n, err := t.Exec(tab.tableSQL.insert(cells, 1), args...)
	return err == nil && n == 1, err
}

// displace takes the rows out of the table that stand in the way of a row
// which was born before all of them, and holds them.
func (t *tx) displace(tab *table, it *heldItem) ([]*heldItem, error) {
	blockers, err := t.blockers(tab, it)
	if err != nil || len(blockers) == 0 {
		return nil, err
	}
	for _, b := range blockers {
		if !b.m.exists() || bornFirst(b, it) < 0 {
			return nil, nil
		}
	}
	for _, b := range blockers {
		if _, err := t.Exec(tab.tableSQL.remove, b.key...); err != nil {
			return nil, err
		}
		t.suspectParent(suspect{tab, b.key, sawNone})
		b.kind = heldUnique
		b.m.state = held
		if err := t.writeHeld(tab, b.key, b.im, errDisplaced); err != nil {
			return nil, err
		}
		if err := t.remember(tab, []remembered{{b.key, &b.m}}); err != nil {
			return nil, err
		}
		if err := t.logUnique(tab, b, it); err != nil {
			return nil, err
		}
	}
	return blockers, nil
}
