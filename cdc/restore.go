package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// RestoreConflict puts back what was lost, as a change of this node's own, and
// takes the conflict off the list.
func (s *Store) RestoreConflict(ctx context.Context, id string) error {
	list, err := s.Conflicts(ctx)
	if err != nil {
		return err
	}
	c, err := pick(list, id)
	if err != nil {
		return err
	}
	if c.Rekeyed != nil {
		return fmt.Errorf("conflict %s: %w", id, ErrRekeyed)
	}
	return s.write(ctx, func(t *tx) error {
		if err := t.restore(&c); err != nil {
			return fmt.Errorf("restore conflict %s: %w", id, err)
		}
		return t.dismiss(id)
	})
}

// restore makes the row what was lost. What the application did to it before is
// sealed first, so that the two are two changes.
func (t *tx) restore(c *Conflict) error {
	tab, err := t.watched(c.Table)
	if err != nil {
		return err
	}
	if err := t.sealAll(tab.ds); err != nil {
		return err
	}
	if err := t.putBack(tab, c); sqlconn.Constraint(err) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	} else if err != nil {
		return err
	}
	if err := t.sealAll(tab.ds); err != nil {
		return err
	}
	if err := t.outranked(tab, c); err != nil || c.Kind != string(merge.KindBaseline) {
		return err
	}
	return t.insist(tab, c)
}

// insisted are cells of a row that the next seal emits though they are as they
// were.
type insisted struct {
	table int64
	key   string
	cells []int
}

// insist writes once more what was put back: nodes that list the two baselines
// turned round then list them no longer.
func (t *tx) insist(tab *table, c *Conflict) error {
	t.insisted = &insisted{table: tab.id, key: keyText(c.key())}
	for _, v := range c.Loser {
		if i := tab.cellNamed(v.Name); i >= 0 && tab.cells[i].key < 0 {
			t.insisted.cells = append(t.insisted.cells, i)
		}
	}
	slices.Sort(t.insisted.cells)
	err := t.mark(tab, c.key())
	if err == nil {
		err = t.sealAll(tab.ds)
	}
	t.insisted = nil
	return err
}

// again are the cells of a row that are emitted as they were, and their slots.
func (i *insisted) again(tab *table, key []wire.Value) (cells, slots []int) {
	if i == nil || i.table != tab.id || i.key != keyText(key) {
		return nil, nil
	}
	for _, c := range i.cells {
		slots = append(slots, tab.cells[c].slot)
	}
	return i.cells, slots
}

// outranked finds a value that was put back and is not there: the policy of its
// column put the greater one over it.
func (t *tx) outranked(tab *table, c *Conflict) error {
	row, err := t.readRow(tab, c.key())
	if err != nil || row == nil {
		return err
	}
	for _, v := range c.Loser {
		i := tab.cellNamed(v.Name)
		if i >= 0 && tab.merges(i) && hashValue(row[i]) != hashValue(v.Value) {
			return fmt.Errorf("%w: column %s merges by %s", ErrOutranked, v.Name, tab.merging.of(v.Name))
		}
	}
	return nil
}

// TurnConflicts makes rows what was lost in baseline conflicts and lists what
// stood as lost, and returns of how many. A row that has changed since is left
// alone.
func (s *Store) TurnConflicts(ctx context.Context, list []Conflict) (n int, err error) {
	for part := range slices.Chunk(list, applyChunk) {
		turned := 0
		err := s.write(ctx, func(t *tx) error {
			turned = 0
			for i := range part {
				did, err := t.turn(&part[i])
				if err != nil {
					return fmt.Errorf("turn conflict %s: %w", part[i].ID, err)
				}
				if did {
					turned++
				}
			}
			return nil
		})
		if n += turned; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (t *tx) turn(c *Conflict) (bool, error) {
	tab, err := t.watched(c.Table)
	if err != nil {
		return false, err
	}
	row, err := t.readRow(tab, c.key())
	if err != nil || row == nil {
		return false, err
	}
	for _, v := range c.Winner {
		if i := tab.cellNamed(v.Name); i >= 0 && hashValue(row[i]) != hashValue(v.Value) {
			return false, nil
		}
	}
	if err := t.putBack(tab, c); err != nil {
		return false, err
	}
	return true, t.turnListed(c.ID)
}

// turnListed makes the loser of a conflict its winner.
func (t *tx) turnListed(id string) error {
	_, err := t.Exec(`UPDATE sqlsync_conflict SET winner = loser, winner_hlc = loser_hlc, winner_origin = loser_origin,
		loser = winner, loser_hlc = winner_hlc, loser_origin = winner_origin WHERE id = ?`, id)
	return err
}

func (t *tx) watched(name string) (*table, error) {
	tab := t.cfg.byName[schema.Fold(name)]
	if tab == nil || tab.def == nil {
		return nil, fmt.Errorf("table %s is not watched", name)
	}
	return tab, nil
}

func (t *tx) sealAll(ds *dataset) error {
	for more := true; more; {
		var err error
		if more, err = t.seal(ds); err != nil {
			return err
		}
	}
	return nil
}

// key is the row's key, by place.
func (c *Conflict) key() []wire.Value {
	key := make([]wire.Value, len(c.Key))
	for i := range c.Key {
		key[i] = c.Key[i].Value
	}
	return key
}

// putBack writes what was lost and marks the row.
func (t *tx) putBack(tab *table, c *Conflict) error {
	key := c.key()
	var lost image
	for _, v := range c.Loser {
		lost = lost.set(v.Name, v.Value)
	}
	there, err := t.rowThere(tab, key)
	if err != nil {
		return err
	}
	if there {
		err = t.overwrite(tab, key, lost)
	} else {
		var whole image
		for _, v := range slices.Concat(c.whole, c.Loser) {
			whole = whole.set(v.Name, v.Value)
		}
		err = t.insertWhole(tab, key, whole)
	}
	if err != nil {
		return err
	}
	return t.mark(tab, key)
}

func (t *tx) overwrite(tab *table, key []wire.Value, im image) error {
	var cells []int
	var values []wire.Value
	for _, c := range im {
		if i := tab.cellNamed(c.name); i >= 0 && tab.cells[i].key < 0 {
			cells, values = append(cells, i), append(values, c.value)
		}
	}
	if len(cells) == 0 {
		return nil
	}
	_, err := t.Exec(tab.update(cells), slices.Concat(values, key)...)
	return err
}

// insertWhole inserts a row of which an image may tell only some columns; the
// others are as the held batches tell them last.
func (t *tx) insertWhole(tab *table, key []wire.Value, im image) error {
	var whole image
	id := keyText(key)
	for pos := int64(1); pos != 0; {
		var err error
		pos, _, err = t.eachSection(tab, tab.ds, pos, groupChanges, func(_ int64, _ *wire.Header, sec *wire.Section) error {
			for i := range sec.Changes {
				if c := &sec.Changes[i]; keyText(c.Key) == id {
					whole = whole.after(sec, c)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, c := range im {
		whole = whole.set(c.name, c.value)
	}
	inserted, err := t.insertImage(tab, &heldItem{key: key, im: whole})
	if err == nil && !inserted {
		err = errors.New("a trigger of the application ignores the row")
	}
	return err
}

// after is the image of a row after a change of it.
func (im image) after(sec *wire.Section, c *wire.Change) image {
	for i, v := range c.Values {
		column := i
		if c.Op == merge.Update {
			column = c.Columns[i]
		}
		if !isShadow(sec.Columns[column]) {
			im = im.set(sec.Columns[column], v)
		}
	}
	return im
}
