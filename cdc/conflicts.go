package cdc

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/blake2b"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// Conflict is a value that lost, to what, and by which rule.
type Conflict struct {
	ID, Kind, Table             string
	Key                         []NamedValue
	Winner, Loser               []NamedValue
	WinnerVersion, LoserVersion merge.Version
	// Constraint is what a row breaks, for the kinds foreign_key and check.
	Constraint string
}

// NamedValue is a value of a column.
type NamedValue struct {
	Name  string
	Value wire.Value
}

// Conflicts lists the conflicts, the newest last.
func (s *Store) Conflicts(ctx context.Context) ([]Conflict, error) {
	keys := make(map[string][]string)
	if err := s.look(ctx, func(t *tx) error {
		for _, tab := range t.cfg.tables {
			keys[tab.name] = tab.keyCols
		}
		return nil
	}); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryxContext(ctx, `SELECT c.id, c.kind, t.name, c.key, c.winner, c.loser,
		c.winner_hlc, coalesce(w.key, zeroblob(32)), c.loser_hlc, coalesce(l.key, zeroblob(32))
		FROM sqlsync_conflict AS c JOIN sqlsync_table AS t ON t.id = c.table_id
		LEFT JOIN sqlsync_origin AS w ON w.id = c.winner_origin LEFT JOIN sqlsync_origin AS l ON l.id = c.loser_origin
		WHERE c.dismissed IS NULL ORDER BY max(abs(c.winner_hlc), abs(c.loser_hlc)), c.id`)
	if err != nil {
		return nil, fmt.Errorf("read conflicts: %w", err)
	}
	defer rows.Close()
	var list []Conflict
	for rows.Next() {
		var c Conflict
		var key, winner, loser, winnerNode, loserNode []byte
		if err := rows.Scan(&c.ID, &c.Kind, &c.Table, &key, &winner, &loser,
			&c.WinnerVersion.HLC, &winnerNode, &c.LoserVersion.HLC, &loserNode); err != nil {
			return nil, fmt.Errorf("read conflicts: %w", err)
		}
		c.WinnerVersion.Origin, c.LoserVersion.Origin = merge.NodeID(winnerNode), merge.NodeID(loserNode)
		if err := c.decode(keys[c.Table], key, winner, loser); err != nil {
			return nil, fmt.Errorf("read conflict %s: %w", c.ID, err)
		}
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read conflicts: %w", err)
	}
	broken, err := s.brokenRows(ctx)
	return append(list, broken...), err
}

func (c *Conflict) decode(names []string, key, winner, loser []byte) error {
	values, err := wire.DecodeRow(key)
	if err != nil || len(names) != 0 && len(values) != len(names) {
		return errDamaged
	}
	for i, v := range values {
		name := fmt.Sprintf("k%d", i)
		if names != nil {
			name = names[i]
		}
		c.Key = append(c.Key, NamedValue{name, v})
	}
	if c.Winner, err = namedValues(winner); err != nil {
		return err
	}
	c.Loser, err = namedValues(loser)
	return err
}

func namedValues(b []byte) ([]NamedValue, error) {
	if len(b) == 0 {
		return nil, nil
	}
	im, err := decodeImage(b)
	var list []NamedValue
	for _, c := range im {
		list = append(list, NamedValue{c.name, c.value})
	}
	return list, err
}

// brokenRows lists the rows that break a constraint of the schema, as conflicts
// that nothing has lost.
func (s *Store) brokenRows(ctx context.Context) (list []Conflict, err error) {
	err = s.look(ctx, func(t *tx) error {
		list = nil
		return t.Query(func(row []any) error {
			tab := t.cfg.byID[row[0].(int64)]
			if tab == nil || tab.def == nil {
				return nil
			}
			key, _ := row[1].([]byte)
			kind, name := row[2].(string), row[3].(string)
			c := Conflict{ID: violationID(tab.name, key, kind, name), Kind: kind, Table: tab.name, Constraint: name}
			list = append(list, c)
			return list[len(list)-1].decode(tab.keyNames(), key, nil, nil)
		}, `SELECT table_id, key, kind, name FROM sqlsync_violation WHERE kind <> ? ORDER BY table_id, key`, nullKey)
	})
	return list, err
}

func violationID(table string, key []byte, kind, name string) string {
	sum := blake2b.Sum256([]byte(table + "\x00" + string(key) + "\x00" + kind + "\x00" + name))
	return hex.EncodeToString(sum[:6])
}

// Conditions of conflicts that callers tell apart.
var (
	ErrNoConflict = errors.New("no such conflict")
	// ErrMends says that a conflict goes by itself and otherwise not.
	ErrMends = errors.New("it goes by itself when it is mended")
)

// conflict returns what is listed under an id.
func (s *Store) conflict(ctx context.Context, id string) (Conflict, error) {
	list, err := s.Conflicts(ctx)
	if err != nil {
		return Conflict{}, err
	}
	i := slices.IndexFunc(list, func(c Conflict) bool { return c.ID == id })
	if i < 0 {
		return Conflict{}, fmt.Errorf("%w: %q", ErrNoConflict, id)
	}
	switch c := list[i]; c.Kind {
	case string(kindUnique), brokenCheck, brokenReference:
		return c, fmt.Errorf("conflict %s: %w", id, ErrMends)
	}
	return list[i], nil
}

// DismissConflict takes a conflict off the list of this node.
func (s *Store) DismissConflict(ctx context.Context, id string) error {
	if _, err := s.conflict(ctx, id); err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error { return t.dismiss(id) })
}

func (t *tx) dismiss(id string) error {
	_, err := t.Exec(`UPDATE sqlsync_conflict SET dismissed = ? WHERE id = ?`, t.now.UnixMilli(), id)
	return err
}

// RestoreConflict puts back what was lost, as a change of this node's own, and
// takes the conflict off the list.
func (s *Store) RestoreConflict(ctx context.Context, id string) error {
	c, err := s.conflict(ctx, id)
	if err != nil {
		return err
	}
	dataset := ""
	err = s.write(ctx, func(t *tx) error {
		tab := t.cfg.byName[schema.Fold(c.Table)]
		if tab == nil || tab.def == nil {
			return fmt.Errorf("table %s is not watched", c.Table)
		}
		dataset = tab.ds.name
		if err := t.restore(tab, &c); err != nil {
			return fmt.Errorf("restore conflict %s: %w", id, err)
		}
		return t.dismiss(id)
	})
	if err != nil {
		return err
	}
	return s.Seal(ctx, dataset)
}

// restore makes the row what was lost. What the application did to it before is
// sealed first, so that the two are two changes.
func (t *tx) restore(tab *table, c *Conflict) error {
	for more := true; more; {
		var err error
		if more, err = t.seal(tab.ds); err != nil {
			return err
		}
	}
	key := make([]wire.Value, len(c.Key))
	for i := range c.Key {
		key[i] = c.Key[i].Value
	}
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
		err = t.insertWhole(tab, key, lost)
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
		pos, err = t.eachSection(tab, pos, groupChanges, func(_ int64, _ *wire.Header, sec *wire.Section) error {
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
