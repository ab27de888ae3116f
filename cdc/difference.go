package cdc

import (
	"slices"

	"sqlsync/wire"
)

// differences compares a row with its hashes. A cell without a hash that has
// the value the column began with is no change: nobody has written it.
func (tab *table) differences(values []wire.Value, h hashes) (columns, slots []int) {
	if tab.appends() {
		return nil, nil
	}
	for i, v := range values {
		slot := tab.cells[i].slot
		got, was := hashValue(v), h.at(slot)
		if got != was && (was != unknown || got != hashValue(tab.cells[i].initial)) {
			columns, slots = append(columns, i), append(slots, slot)
		}
	}
	return columns, slots
}

// rehash returns the hashes of a row some of whose cells were written. A cell
// that nobody has written stays unknown, so that its value may still come.
func (tab *table) rehash(h hashes, columns []int, values []wire.Value) hashes {
	h = slices.Clone(h)
	for _, i := range columns {
		h = h.with(tab.cells[i].slot, hashValue(values[i]))
	}
	return h
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

// bornHashes are the hashes of a row that was just born, none where what is
// written to it later does not matter.
func (tab *table) bornHashes(values []wire.Value) hashes {
	if tab.appends() {
		return nil
	}
	return tab.hash(values)
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
