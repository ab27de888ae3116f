package cdc

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/crypto/blake2b"

	"sqlsync/merge"
	"sqlsync/wire"
)

// Ranges of ids. SQLite gives a row of an AUTOINCREMENT table the id above both
// sqlite_sequence and the largest there is, so a range below the ids of others
// could not be used. Ids are therefore dealt out in blocks: each belongs to one
// of rangeSlots slots, and after rows of others were applied the next id is the
// first of this node's next block above all of them.
const (
	rangeBlock = 1 << 20
	rangeSlots = 256
)

// slot is this node's slot. Nodes that come to the same one step aside, the
// one with the lower key going first.
func (t *tx) slot() int64 {
	nodes := make([]merge.NodeID, 0, len(t.cfg.origins.node))
	for _, n := range t.cfg.origins.node {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, merge.NodeID.Compare)
	taken := make(map[int64]bool)
	for _, n := range nodes {
		sum := blake2b.Sum256(n[:])
		slot := int64(binary.BigEndian.Uint32(sum[:]) % rangeSlots)
		for taken[slot] && len(taken) < rangeSlots {
			slot = (slot + 1) % rangeSlots
		}
		if taken[slot] = true; n == t.author.Node {
			return slot
		}
	}
	return 0
}

// sequence reads the table's entry of sqlite_sequence.
func (t *tx) sequence(tab *table) (int64, error) {
	return t.Int(`SELECT seq FROM main.sqlite_sequence WHERE name = ?`, tab.name)
}

// keepRange makes the next id of a table one of this node's own. The first
// block is nobody's: it has the ids from before.
func (t *tx) keepRange(tab *table) error {
	if tab.merging.IDs != idsRange {
		return nil
	}
	next, err := t.nextID(tab)
	if err != nil {
		return err
	}
	slot := t.slot()
	if block := (next - 1) / rangeBlock; block > 0 && block%rangeSlots == slot {
		return nil
	}
	block := (next-1+rangeBlock-1)/rangeBlock + 1
	block += (slot - block%rangeSlots + rangeSlots) % rangeSlots
	return t.setSequence(tab, block*rangeBlock)
}

func (t *tx) setSequence(tab *table, seq int64) error {
	n, err := t.Exec(`UPDATE main.sqlite_sequence SET seq = ? WHERE name = ?`, seq, tab.name)
	if err == nil && n == 0 {
		_, err = t.Exec(`INSERT INTO main.sqlite_sequence (name, seq) VALUES (?, ?)`, tab.name, seq)
	}
	if err != nil {
		return fmt.Errorf("set the next id of %s: %w", tab.name, err)
	}
	return nil
}

// rekeyed is a row that lost its id to another node's row.
type rekeyed struct {
	tab *table
	key []wire.Value
	im  image
}

// lostID notes a row of this node's that is about to lose its key to a row of
// another's, if it is to be given another.
func (a *applier) lostID(act *action, l merge.Loss) error {
	if a.tab.merging.IDs != idsRekey || l.Kind != merge.KindKey || l.Incoming || !a.mine(l.Loser.Origin) || a.metaOnly || a.same(l) {
		return nil
	}
	im, err := a.localImage(act)
	if err != nil || im == nil {
		return err
	}
	a.rekeys = append(a.rekeys, rekeyed{a.tab, act.m.key, im})
	return nil
}

// same reports whether the two rows are one that this node has sealed twice, as
// two authors: its mark was in the file that was put back.
func (a *applier) same(l merge.Loss) bool {
	return a.mine(l.Winner.Origin) && l.Winner.HLC == l.Loser.HLC
}

// rekey gives the rows that lost their ids new ones, as changes of this node's
// own: they are marked and sealed like the application's. Rows here that
// referred to them by a declared foreign key follow.
func (t *tx) rekey() error {
	list := t.rekeys
	t.rekeys = nil
	for _, r := range list {
		tab := t.cfg.byID[r.tab.id]
		id, err := t.nextID(tab)
		if err != nil {
			return err
		}
		inserted, err := t.insertImage(tab, &heldItem{key: []wire.Value{id}, im: r.im})
		if err != nil && !refusable(err) {
			return fmt.Errorf("give a row of %s another id: %w", tab.name, err)
		}
		if !inserted { // another constraint: it stays in the conflict list
			continue
		}
		if err := t.mark(tab, []wire.Value{id}); err != nil {
			return err
		}
		if err := t.followID(tab, r.key[0], id); err != nil {
			return err
		}
	}
	return nil
}

// followID makes rows that this node wrote refer to a row's new id.
func (t *tx) followID(parent *table, old, id wire.Value) error {
	for _, tab := range t.cfg.tables {
		if tab.def == nil {
			continue
		}
		for _, fk := range tab.def.ForeignKeys {
			if !equalNames(fk.Parent, parent.name) || len(fk.Columns) != 1 ||
				len(fk.ParentColumns) == 1 && !equalNames(fk.ParentColumns[0], parent.keyNames()[0]) {
				continue
			}
			i := tab.cellNamed(tab.def.Columns[fk.Columns[0]].Name)
			if i < 0 {
				continue // in the key: such a row is another row
			}
			if err := t.follow(tab, i, old, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow changes a cell from one value to another where this node wrote it.
func (t *tx) follow(tab *table, i int, old, id wire.Value) error {
	var keys [][]wire.Value
	err := t.Query(func(row []any) error {
		keys = append(keys, slices.Clone(row[:len(tab.key)]))
		return nil
	}, tab.readAll+` WHERE `+tab.cellEquals(i), old)
	if err != nil || len(keys) == 0 {
		return err
	}
	metas, err := t.lookup(tab, keys)
	if err != nil {
		return err
	}
	for n, key := range keys {
		if metas[n].exists() && !t.mine(metas[n].row.Cell(tab.cells[i].slot).Origin) {
			continue
		}
		if _, err := t.Exec(tab.update([]int{i}), append([]wire.Value{id}, key...)...); err != nil && !refusable(err) {
			return err
		}
		if err := t.mark(tab, key); err != nil {
			return err
		}
	}
	return nil
}
