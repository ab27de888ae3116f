package cdc

import (
	"encoding/json"
	"fmt"
	"slices"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// untold settles what is here in ranges of a table and in none of a peer's parts,
// which have all that the peer has there if they are complete: it was deleted, or
// is said again, by this node as it is now.
func (t *tx) untold(ds *dataset, peer merge.NodeID, table string, ranges []wire.KeyRange, parts []*wire.Sealed, complete bool) error {
	var alone map[merge.NodeID]merge.HLC
	if complete {
		heads, err := t.snapshotHeads(ds, peer)
		if err != nil {
			return err
		}
		if alone, err = t.confirmed(ds, heads); err != nil {
			return err
		}
		if err := t.dropDeleted(ds, peer, table, ranges, parts, heads, alone); err != nil {
			return err
		}
	}
	if err := t.keep(ds, table, ranges, parts, alone); err != nil {
		return err
	}
	return t.restate()
}

// dropDeleted removes the rows in ranges of a table that a peer's parts do not
// tell although it knew of their births: they were deleted, and the
// tombstones are gone. What was written to them here, unseen, is listed. alone is
// what confirmed returns.
func (t *tx) dropDeleted(ds *dataset, peer merge.NodeID, name string, ranges []wire.KeyRange, parts []*wire.Sealed,
	heads map[merge.NodeID]merge.Position, alone map[merge.NodeID]merge.HLC) error {
	tab := t.cfg.byName[schema.Fold(name)]
	if tab == nil || tab.def == nil || tab.ds.id != ds.id || len(tab.formers) > 0 || tab.waiting != "" || tab.appends() || tab.rule == merge.WholeRow {
		return nil
	}
	if knew, err := t.knewAll(ds, peer, tab); err != nil || !knew { // what the peer does not tell may never have come to it
		return err
	}
	forked, err := t.endsUntold(tab)
	if err != nil {
		return err
	}
	told, err := t.toldHere(tab, parts)
	if err != nil {
		return err
	}
	var gone []meta
	look := func(key []wire.Value, m *meta) error {
		if m.row.Dead || told[keyText(key)] {
			return nil
		}
		birth := m.row.Birth
		if last, ok := alone[birth.Origin]; ok && birth.HLC.Seal() > last {
			return nil // nobody can have deleted what nobody had: see keep
		}
		if h, ok := heads[birth.Origin]; ok && !forked[birth.Origin] && birth.HLC.Seal() <= h.HLC {
			m.key = slices.Clone(key)
			gone = append(gone, *m)
		}
		return nil
	}
	if err := t.metasIn(tab, ranges, look); err != nil {
		return err
	}
	for i := range gone {
		if err := t.dropOne(tab, &gone[i], heads); err != nil {
			return fmt.Errorf("table %s: %w", tab.name, err)
		}
	}
	return t.retryHeld(tab) // which may have waited for what is gone now
}

// confirmed is, for the origins as which this file was sealed and of which a
// peer has more than it, the timestamp up to which others are known to have the
// chain as it is here: what is longer may be another from there on. Watermarks may
// lag, so of a chain that is not longer the head itself tells.
func (t *tx) confirmed(ds *dataset, heads map[merge.NodeID]merge.Position) (map[merge.NodeID]merge.HLC, error) {
	list, err := t.chains(ds)
	if err != nil {
		return nil, err
	}
	mine := make(map[merge.NodeID]merge.HLC)
	for origin, have := range list {
		if !t.mine(origin) || heads[origin].Seq <= have.Seq {
			continue
		}
		id, err := t.origin(origin)
		if err != nil {
			return nil, err
		}
		last, err := t.Int(`SELECT max(hlc) FROM (
			SELECT hlc FROM sqlsync_checkpoint WHERE dataset_id = ?1 AND origin_id = ?2
			UNION ALL SELECT hlc FROM sqlsync_shared WHERE dataset_id = ?1 AND origin_id = ?2
			UNION ALL SELECT last FROM sqlsync_batch WHERE dataset_id = ?1 AND origin_id = ?2
				AND seq = (SELECT max(seq) FROM sqlsync_watermark WHERE dataset_id = ?1 AND origin_id = ?2))`, ds.id, id)
		if err != nil {
			return nil, err
		}
		mine[origin] = merge.HLC(last)
	}
	return mine, nil
}

// dropOne deletes a row by the ordinary rules, as its sender would have told it.
func (t *tx) dropOne(tab *table, m *meta, heads map[merge.NodeID]merge.Position) error {
	a := &applier{tx: t, tab: tab, origin: m.row.Birth.Origin, fromSnapshot: true, conflicts: true}
	a.seen = func(origin merge.NodeID) merge.HLC { return heads[origin].HLC }
	c := &wire.Change{Op: merge.Delete, HLC: m.row.Birth.HLC.Seal(), Birth: m.row.Birth, Key: m.key}
	for _, cell := range m.row.Cells { // an unseen write of the birth's own origin is lost, too
		if cell.Version.Origin == a.origin && cell.Version.HLC > a.seen(a.origin) {
			a.origin = merge.NodeID{}
		}
	}
	act := &action{}
	a.decide(act, c, m)
	if _, _, err := a.enact(act); err != nil {
		return err
	}
	return t.remember(tab, []remembered{{m.key, act.m}})
}

func (t *tx) snapshotHeads(ds *dataset, peer merge.NodeID) (map[merge.NodeID]merge.Position, error) {
	var heads []wire.ChainHead
	err := t.Query(func(row []any) error {
		b, _ := row[0].([]byte)
		return json.Unmarshal(b, &heads)
	}, `SELECT heads FROM sqlsync_snapshot WHERE dataset_id = ? AND peer = ?`, ds.id, peer[:])
	return vectorOf(heads), err
}

// toldHere are the keys of the rows that parts tell, as this node spells them:
// keys may be equal and differ in their bytes.
func (t *tx) toldHere(tab *table, parts []*wire.Sealed) (map[string]bool, error) {
	seen := make(map[string]bool)
	var keys [][]wire.Value
	for _, p := range parts {
		b, err := p.Open(wire.Limits{})
		if err != nil {
			return nil, err
		}
		for i := range b.Sections {
			for j := range b.Sections[i].Changes {
				key := b.Sections[i].Changes[j].Key
				if text := keyText(key); !seen[text] && len(key) == len(tab.key) {
					seen[text], keys = true, append(keys, key)
				}
			}
		}
	}
	metas, err := t.lookup(tab, keys)
	told := make(map[string]bool, len(metas))
	for i := range metas {
		if metas[i].exists() {
			told[keyText(metas[i].key)] = true
		}
	}
	return told, err
}

// metasIn reads the metadata of ranges of a table.
func (t *tx) metasIn(tab *table, ranges []wire.KeyRange, look func(key []wire.Value, m *meta) error) error {
	for _, r := range ranges {
		from, to, err := keyBounds(r, len(tab.key))
		if err == nil {
			err = t.metas(tab, from, to, look)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
