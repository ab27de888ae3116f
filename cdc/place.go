package cdc

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sqlsync/merge"
	"sqlsync/schema"
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
		if err := t.forgetUnique(tab, it); err != nil {
			return nil, err
		}
		if err := t.unhold(tab, it.key); err != nil {
			return nil, err
		}
		return displaced, t.remember(tab, []remembered{{it.key, &it.m}})
	case !refusable(cause):
		return nil, cause
	}
	return displaced, nil
}

func (t *tx) insertImage(tab *table, it *heldItem) (bool, error) {
	var cells []int
	args := slices.Clone(it.key)
	for _, c := range it.im {
		if i := tab.cellNamed(c.name); i >= 0 && tab.cells[i].key < 0 {
			cells, args = append(cells, i), append(args, c.value)
		}
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

// logUnique lists a row that is held as lost to the one that has its unique
// value.
func (t *tx) logUnique(tab *table, loser, winner *heldItem) error {
	return t.writeConflict(tab, loser.key, merge.Loss{
		Kind: kindUnique, Winner: winner.m.row.Birth, Loser: loser.m.row.Birth,
	}, winner.withKey(tab), loser.withKey(tab))
}

// forgetUnique takes a row that has come back off the list.
func (t *tx) forgetUnique(tab *table, it *heldItem) error {
	_, err := t.Exec(`DELETE FROM sqlsync_conflict WHERE id = ? AND kind = ?`, conflictID(tab.name, it.key, it.m.row.Birth), string(kindUnique))
	return err
}

// kindUnique is the conflict of two rows that claim one unique value. It comes
// of the table's constraints and not of the rules of merging.
const kindUnique merge.Kind = "unique"

// withKey is the row's image with its key in front, which tells the two rows
// of a conflict apart.
func (it *heldItem) withKey(tab *table) image {
	var im image
	for i, name := range tab.keyNames() {
		im = append(im, imageCell{name, it.key[i]})
	}
	return append(im, it.im...)
}

// blockers finds the rows in the table that hold a unique value of a row.
func (t *tx) blockers(tab *table, it *heldItem) ([]*heldItem, error) {
	var found []*heldItem
	seen := make(map[string]bool)
	for _, ix := range tab.def.Unique {
		where, args := uniqueWhere(tab, ix, it)
		if where == "" {
			continue
		}
		err := t.Query(func(row []any) error {
			b := &heldItem{key: slices.Clone(row[:len(tab.key)])}
			if k := keyText(b.key); seen[k] {
				return nil
			} else {
				seen[k] = true
			}
			if !tab.wide {
				all, _ := tab.everything()
				b.im = tab.imageOf(all, slices.Clone(row[len(tab.key):]))
			}
			found = append(found, b)
			return nil
		}, tab.readAll+` WHERE `+where, args...)
		if err != nil {
			return nil, err
		}
	}
	keys := make([][]wire.Value, len(found))
	for i, b := range found {
		keys[i] = b.key
		if tab.wide {
			values, err := t.readRow(tab, b.key)
			if err != nil {
				return nil, err
			}
			all, _ := tab.everything()
			b.im = tab.imageOf(all, values)
		}
	}
	metas, err := t.lookup(tab, keys)
	for i := range metas {
		found[i].m = metas[i]
	}
	return found, err
}

// uniqueWhere selects the rows that have a row's values in a unique index. It
// is empty for the key itself, for indexes on expressions or parts of the
// table, and where a value is NULL, which is never equal.
func uniqueWhere(tab *table, ix schema.Index, it *heldItem) (string, []any) {
	if ix.Partial || slices.Equal(ix.Columns, []int(tab.key)) {
		return "", nil
	}
	var terms []string
	var args []any
	for _, c := range ix.Columns {
		if c < 0 {
			return "", nil
		}
		v := it.valueOf(tab, c)
		if v == nil {
			return "", nil
		}
		terms, args = append(terms, schema.Quote(tab.def.Columns[c].Name)+" = ?"), append(args, v)
	}
	return strings.Join(terms, " AND "), args
}

func (it *heldItem) valueOf(tab *table, column int) wire.Value {
	if place := keyPlace(tab.key, column); place >= 0 {
		return it.key[place]
	}
	for _, c := range it.im {
		if equalNames(c.name, tab.def.Columns[column].Name) {
			return c.value
		}
	}
	return nil
}
