package cdc

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/schema"
	"sqlsync/wire"
)

// Why a row is held.
const (
	heldUnique = "unique" // another row has a unique value of it
	heldRow    = "row"    // a constraint or trigger of the application refuses it
	heldRemove = "remove" // a trigger of the application refuses its deletion
)

// image is a row, or some of its columns, by name.
type image []imageCell

type imageCell struct {
	name  string
	value wire.Value
}

func (im image) encode() []byte {
	flat := make([]wire.Value, 0, 2*len(im))
	for _, c := range im {
		flat = append(flat, c.name, c.value)
	}
	return wire.AppendRow(nil, flat)
}

func decodeImage(b []byte) (image, error) {
	flat, err := wire.DecodeRow(b)
	if err != nil || len(flat)%2 != 0 {
		return nil, errDamaged
	}
	var im image
	for i := 0; i < len(flat); i += 2 {
		name, ok := flat[i].(string)
		if !ok {
			return nil, errDamaged
		}
		im = append(im, imageCell{name, flat[i+1]})
	}
	return im, nil
}

// set returns im with a column's value.
func (im image) set(name string, v wire.Value) image {
	for i := range im {
		if equalNames(im[i].name, name) {
			im[i].value = v
			return im
		}
	}
	return append(im, imageCell{name, v})
}

func equalNames(a, b string) bool { return strings.EqualFold(a, b) }

// imageOf names the values of some of the table's cells.
func (tab *table) imageOf(cells []int, values []wire.Value) image {
	im := make(image, len(cells))
	for i, c := range cells {
		im[i] = imageCell{tab.cells[c].name, values[i]}
	}
	return im
}

// readRow reads a row's cells, nil if it is not in the table.
func (t *tx) readRow(tab *table, key []wire.Value) (values []wire.Value, err error) {
	err = t.Query(func(row []any) error {
		values = append(make([]wire.Value, 0, len(tab.cells)), row[len(tab.key):]...)
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
	return t.writeHeld(tab, key, tab.imageOf(cells, values), cause)
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
	_, err := t.Exec(`DELETE FROM sqlsync_held WHERE table_id = ? AND key = ?`, tab.id, wire.AppendRow(nil, key))
	return err
}

// updateHeld writes cells of a row that is held.
func (t *tx) updateHeld(tab *table, key []wire.Value, cells []int, values []wire.Value) error {
	id := wire.AppendRow(nil, key)
	var im image
	err := t.Query(func(row []any) (err error) {
		im, err = decodeImage(row[0].([]byte))
		return err
	}, `SELECT image FROM sqlsync_held WHERE table_id = ? AND key = ?`, tab.id, id)
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
	return a.holdRow(a.tab, act.m, act.m.key, all, row, cause)
}

// refuse notes a deletion that the application's trigger does not let happen.
func (a *applier) refuse(act *action, cause error) error {
	if !refusable(cause) {
		return fmt.Errorf("delete row: %w", cause)
	}
	return a.writeHeldAs(a.tab, act.m.key, nil, heldRemove, cause.Error())
}

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
	}
	return blockers, nil
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
			all, _ := tab.everything()
			b.im = tab.imageOf(all, slices.Clone(row[len(tab.key):]))
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
