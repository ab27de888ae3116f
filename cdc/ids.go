package cdc

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/crypto/blake2b"

	"sqlsync/merge"
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
