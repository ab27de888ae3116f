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
	// whole is the row of a Loser that is only a part of it, where it is known.
	whole []NamedValue
	// Constraint is what a row breaks, for the kinds foreign_key and check; the
	// row is then Winner, and there is no Loser.
	Constraint string
	// Rekeyed is the key under which what lost was inserted anew, nil if it
	// was not.
	Rekeyed []NamedValue
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
		c.winner_hlc, coalesce(w.key, zeroblob(32)), c.loser_hlc, coalesce(l.key, zeroblob(32)), c.rekeyed, c.whole
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
		var key, winner, loser, winnerNode, loserNode, rekeyed, whole []byte
		if err := rows.Scan(&c.ID, &c.Kind, &c.Table, &key, &winner, &loser,
			&c.WinnerVersion.HLC, &winnerNode, &c.LoserVersion.HLC, &loserNode, &rekeyed, &whole); err != nil {
			return nil, fmt.Errorf("read conflicts: %w", err)
		}
		c.WinnerVersion.Origin, c.LoserVersion.Origin = merge.NodeID(winnerNode), merge.NodeID(loserNode)
		if c.whole, err = namedValues(whole); err != nil {
			return nil, fmt.Errorf("read conflict %s: %w", c.ID, err)
		}
		if err := c.decode(keys[c.Table], key, winner, loser); err != nil {
			return nil, fmt.Errorf("read conflict %s: %w", c.ID, err)
		}
		if rekeyed != nil {
			if c.Rekeyed, err = namedKey(keys[c.Table], rekeyed); err != nil {
				return nil, fmt.Errorf("read conflict %s: %w", c.ID, err)
			}
		}
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read conflicts: %w", err)
	}
	broken, err := s.brokenRows(ctx)
	return append(list, broken...), err
}

func (c *Conflict) decode(names []string, key, winner, loser []byte) (err error) {
	if c.Key, err = namedKey(names, key); err != nil {
		return err
	}
	if c.Winner, err = namedValues(winner); err != nil {
		return err
	}
	if c.Loser, err = namedValues(loser); err != nil {
		return err
	}
	spelled := slices.Concat(c.whole, c.Loser) // the key is listed by one spelling, the row has its own
	if c.Kind != string(kindUnique) {
		spelled = slices.Concat(spelled, c.Winner)
	}
	for i := range c.Key {
		for _, v := range spelled {
			if v.Name == c.Key[i].Name {
				c.Key[i] = v
			}
		}
	}
	return nil
}

func namedKey(names []string, key []byte) (list []NamedValue, err error) {
	values, err := wire.DecodeRow(key)
	if err != nil || len(names) != 0 && len(values) != len(names) {
		return nil, errDamaged
	}
	for i, v := range values {
		name := fmt.Sprintf("k%d", i)
		if names != nil {
			name = names[i]
		}
		list = append(list, NamedValue{name, v})
	}
	return list, nil
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
		if err := t.Query(func(row []any) error {
			tab := t.cfg.byID[row[0].(int64)]
			if tab == nil || tab.def == nil {
				return nil
			}
			key, _ := row[1].([]byte)
			kind, name := row[2].(string), row[3].(string)
			c := Conflict{ID: violationID(tab.name, key, kind, name), Kind: kind, Table: tab.name, Constraint: name}
			list = append(list, c)
			return list[len(list)-1].decode(tab.keyNames(), key, nil, nil)
		}, `SELECT table_id, key, kind, name FROM sqlsync_violation WHERE kind <> ? ORDER BY table_id, key`, nullKey); err != nil {
			return err
		}
		for i := range list {
			if err := t.readBroken(&list[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// readBroken reads a row that breaks a constraint, and who wrote it last.
func (t *tx) readBroken(c *Conflict) error {
	tab := t.cfg.byName[schema.Fold(c.Table)]
	key := c.key()
	values, err := t.readRow(tab, key)
	if err != nil {
		return err
	}
	for i, v := range values {
		c.Winner = append(c.Winner, NamedValue{tab.cells[i].name, v})
	}
	metas, err := t.lookup(tab, [][]wire.Value{key})
	if err != nil {
		return err
	}
	c.WinnerVersion = metas[0].row.Birth
	for i := range tab.cells {
		if v := metas[0].row.Cell(tab.cells[i].slot); v.After(c.WinnerVersion) {
			c.WinnerVersion = v
		}
	}
	return nil
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
	// ErrRekeyed says that what lost is in the table, under another key.
	ErrRekeyed = errors.New("the row is in the table, under another key")
	// ErrOutranked says that a value cannot be put back because what stands
	// would win again.
	ErrOutranked = errors.New("what stands wins again")
	// ErrRefused says that the database does not let a row be put back.
	ErrRefused = errors.New("the database refuses the row")
)

// Mends reports whether a conflict goes by itself when what is in the way is
// mended, and otherwise not: neither restored nor dismissed.
func (c *Conflict) Mends() bool {
	switch c.Kind {
	case string(kindUnique), brokenCheck, brokenReference:
		return true
	}
	return false
}

// pick returns what is listed under an id and can be settled.
func pick(list []Conflict, id string) (Conflict, error) {
	i := slices.IndexFunc(list, func(c Conflict) bool { return c.ID == id })
	if i < 0 {
		return Conflict{}, fmt.Errorf("%w: %q", ErrNoConflict, id)
	}
	if list[i].Mends() {
		return list[i], fmt.Errorf("conflict %s: %w", id, ErrMends)
	}
	return list[i], nil
}

// DismissConflicts takes conflicts off the list of this node, all or none.
func (s *Store) DismissConflicts(ctx context.Context, ids ...string) error {
	list, err := s.Conflicts(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := pick(list, id); err != nil {
			return err
		}
	}
	return s.write(ctx, func(t *tx) error {
		for _, id := range ids {
			if err := t.dismiss(id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) dismiss(id string) error {
	_, err := t.Exec(`UPDATE sqlsync_conflict SET dismissed = ? WHERE id = ?`, t.now.UnixMilli(), id)
	return err
}
