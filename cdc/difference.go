package cdc

import "sqlsync/wire"

// differences compares a row with its hashes. learned says that a cell without
// a hash has the value that the column began with, so that it is no change.
func (tab *table) differences(values []wire.Value, h hashes) (columns, slots []int, learned bool) {
	for i, v := range values {
		slot := tab.cells[i].slot
		got, was := hashValue(v), h.at(slot)
		if was == unknown && got == hashValue(tab.cells[i].initial) {
			learned = true
		} else if got != was {
			columns, slots = append(columns, i), append(slots, slot)
		}
	}
	return columns, slots, learned
}

func (tab *table) everything() (columns, slots []int) {
	for i, c := range tab.cells {
		columns, slots = append(columns, i), append(slots, c.slot)
	}
	return columns, slots
}

// hash returns the hashes of a whole row.
func (tab *table) hash(values []wire.Value) hashes {
	h := make(hashes, tab.slots*hashSize)
	for i, v := range values {
		putHash(h[tab.cells[i].slot*hashSize:], hashValue(v))
	}
	return h
}

func (tab *table) keyNames() []string {
	names := make([]string, len(tab.key))
	for i, c := range tab.key {
		names[i] = tab.def.Columns[c].Name
	}
	return names
}

func (tab *table) cellNames() []string {
	names := make([]string, len(tab.cells))
	for i, c := range tab.cells {
		names[i] = c.name
	}
	return names
}

// keyText is a key as a map key in memory.
func keyText(key []wire.Value) string { return string(wire.AppendRow(nil, key)) }
