package cdc

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/blake2b"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// A table that is merged by append has rows added everywhere. What a node
// updates or deletes of them stays with that node, so that each may keep as
// much as it likes; its metadata is no more than who bore a row and when.

func (tab *table) appends() bool { return tab.merging.policy == policyAppend }

// localIDs reports whether rows have ids of their own on every node.
func (tab *table) localIDs() bool { return tab.merging.IDs == idsLocal }

// appended is difference for a table of this kind.
func (s *sealer) appended(tab *table, r *touched, here, known bool) (bool, error) {
	switch {
	case here && !known:
		s.inserted(tab, r)
	case !here && known && r.meta.state == alive:
		r.meta.bury(merge.Row{Birth: r.meta.row.Birth, Dead: true, Latest: r.meta.row.Birth})
	default:
		return false, nil
	}
	return true, nil
}

// metaBirth names the index by which rows are found that have other ids here.
func (q tableSQL) metaBirth() string { return q.meta() + "_birth" }

func (q tableSQL) createMetaBirth() string {
	return `CREATE INDEX IF NOT EXISTS ` + q.metaBirth() + ` ON ` + q.meta() + ` (birth, birth_origin)`
}

// contentBirth is the birth of a baseline row that has other ids on other
// nodes: it is made of what the row is, so that it is the same on all nodes that
// began with copies of one file.
func contentBirth(key []wire.Value, im image) merge.Version {
	slices.SortFunc(im, func(a, b imageCell) int { return strings.Compare(schema.Fold(a.name), schema.Fold(b.name)) })
	b := wire.AppendRow(nil, key)
	for _, c := range im {
		if c.value != nil { // a column that only some have is NULL at first
			b = wire.AppendRow(b, []wire.Value{schema.Fold(c.name), c.value})
		}
	}
	sum := blake2b.Sum256(b)
	return merge.Version{HLC: -1 - merge.HLC(binary.BigEndian.Uint64(sum[:])>>1)}
}

// addRows merges inserts into a table whose rows have ids of their own on
// every node. Other changes are of the time before it was so.
func (a *applier) addRows(changes []wire.Change) error {
	for i := range changes {
		c := &changes[i]
		if c.Op != merge.Insert {
			continue
		}
		act := &action{c: c, m: new(meta)}
		a.decide(act, c, act.m)
		if act.out.Effect == merge.Orphan {
			continue // told before: it is here, or was and is not wanted
		}
		if c.Baseline {
			birth := contentBirth(c.Key, a.tab.imageOf(act.cells, act.values))
			act.out.Row = merge.Row{Birth: birth, Latest: birth}
		}
		if here, err := a.bornHere(act.out.Row.Birth); err != nil {
			return err
		} else if here {
			continue
		}
		if err := a.addRow(act); err != nil {
			return err
		}
	}
	return nil
}

// bornHere reports whether the row of a birth is or was here.
func (a *applier) bornHere(birth merge.Version) (bool, error) {
	origin, err := a.tx.origin(birth.Origin)
	if err != nil {
		return false, err
	}
	n, err := a.Int(`SELECT count(*) FROM `+a.tab.meta()+` WHERE birth = ? AND birth_origin = ?`, int64(birth.HLC), origin)
	return n > 0, err
}

// addRow adds a row by its origin's id if that is free, else by the next.
func (a *applier) addRow(act *action) error {
	key := act.c.Key
	there, err := a.rowThere(a.tab, key)
	if err != nil {
		return err
	}
	metas, err := a.lookup(a.tab, [][]wire.Value{key})
	if err != nil {
		return err
	}
	if there || metas[0].exists() {
		id, err := a.nextID(a.tab)
		if err != nil {
			return err
		}
		key = []wire.Value{id}
	}
	a.bear(act)
	if !a.metaOnly {
		args := slices.Clone(key)
		for i, cell := range act.cells {
			if a.tab.cells[cell].key < 0 {
				args = append(args, act.values[i])
			}
		}
		n, err := a.Exec(a.tab.insert(act.cells, 1), args...)
		if err != nil && !refusable(err) {
			return fmt.Errorf("insert row: %w", err)
		}
		if err != nil || n == 0 {
			if err := a.holdRow(a.tab, act.m, key, act.cells, act.values, err); err != nil {
				return err
			}
		}
	}
	return a.remember(a.tab, []remembered{{key, act.m}})
}

// nextID is above every id that the table has or had, as far as is known.
func (t *tx) nextID(tab *table) (id int64, err error) {
	column := schema.Quote(tab.def.Columns[tab.key[0]].Name)
	queries := []string{
		`SELECT max(` + column + `) FROM main.` + schema.Quote(tab.name), `SELECT max(k0) FROM ` + tab.meta(),
	}
	for _, q := range queries {
		n, err := t.Int(q)
		if err != nil {
			return 0, err
		}
		id = max(id, n)
	}
	if tab.def.Autoincrement() {
		seq, err := t.sequence(tab)
		if err != nil {
			return 0, err
		}
		id = max(id, seq)
	}
	return id + 1, nil
}
