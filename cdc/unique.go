package cdc

import (
	"slices"

	"sqlsync/merge"
	"sqlsync/wire"
)

// logUnique lists a row that is held as lost to the one that has its unique
// value.
func (t *tx) logUnique(tab *table, loser, winner *heldItem) error {
	return t.writeConflict(tab, loser.key, merge.Loss{
		Kind: kindUnique, Winner: winner.m.row.Birth, Loser: loser.m.row.Birth,
	}, winner.withKey(tab), loser.withKey(tab))
}

// listUnique lists a held row with a row that has its unique value.
func (t *tx) listUnique(tab *table, it *heldItem) error {
	blockers, err := t.blockers(tab, it)
	if err != nil || len(blockers) == 0 {
		return err
	}
	return t.logUnique(tab, it, blockers[0])
}

// unlistUnique takes a row off the list that is held no longer, or not as the
// row that it was.
func (t *tx) unlistUnique(tab *table, key []wire.Value) error {
	_, err := t.Exec(`DELETE FROM sqlsync_conflict WHERE table_id = ? AND kind = ? AND key = ?`, tab.id, string(kindUnique), tab.listedKey(key))
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
	stored := tab.def.Stored()
	args := make([]any, len(stored))
	for i, c := range stored {
		args[i] = it.valueOf(tab, c)
	}
	var found []*heldItem
	seen := make(map[string]bool)
	for i := range tab.def.Unique {
		ix := &tab.def.Unique[i]
		where := tab.def.Holders(ix)
		if where == "" || ix.IsKey(tab.key) {
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
