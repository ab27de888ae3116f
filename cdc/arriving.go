package cdc

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"sqlsync/merge"
	"sqlsync/wire"
)

// tableArrivals are arrivals by the number of a table.
type tableArrivals map[int64]map[string]merge.HLC

// askArrivals notes, when a snapshot is about to be asked for, what the peer has
// told by then: it will be in what comes.
func (t *tx) askArrivals(ds *dataset, peer merge.NodeID) error {
	list := make(tableArrivals)
	for _, tab := range t.cfg.tables {
		if tab.ds.id != ds.id {
			continue
		}
		told, err := t.arrivalsOf(tab, peer[:])
		if err != nil {
			return err
		}
		delete(told, nobody)
		if err := t.beginArrivals(tab, told); err != nil {
			return err
		}
		for author, at := range told {
			if list[tab.id] == nil {
				list[tab.id] = make(map[string]merge.HLC)
			}
			list[tab.id][hex.EncodeToString(author[:])] = at
		}
	}
	if len(list) == 0 {
		_, err := t.Exec(`UPDATE sqlsync_snapshot SET arrivals = NULL WHERE dataset_id = ? AND peer = ?`, ds.id, peer[:])
		return err
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if _, err := t.Exec(`INSERT OR IGNORE INTO sqlsync_snapshot (dataset_id, peer, cursor, heads) VALUES (?, ?, x'', x'5b5d')`, ds.id, peer[:]); err != nil {
		return err
	}
	_, err = t.Exec(`UPDATE sqlsync_snapshot SET arrivals = ? WHERE dataset_id = ? AND peer = ?`, string(text), ds.id, peer[:])
	return err
}

// beginArrivals notes that rows may come to be here, of a snapshot that may be
// broken off.
func (t *tx) beginArrivals(tab *table, told wire.Arrivals) error {
	have, err := t.arrivalsOf(tab, begun)
	if err != nil {
		return err
	}
	told = maps.Clone(told)
	maps.DeleteFunc(told, func(author merge.NodeID, at merge.HLC) bool { return at <= have[author] })
	return t.writeArrivals(tab, begun, told)
}

// knewAll reports whether a peer had all rows that may have arrived here, when a
// snapshot of it was asked for.
func (t *tx) knewAll(ds *dataset, peer merge.NodeID, tab *table) (bool, error) {
	knows, err := t.arriving(ds, peer, tab)
	if err != nil {
		return false, err
	}
	some, err := t.arrivalsOf(tab, begun)
	return err == nil && knows.Cover(tab.arrivals) && knows.Cover(some), err
}

// arriving is what a snapshot on its way here brings of a table.
func (t *tx) arriving(ds *dataset, peer merge.NodeID, tab *table) (wire.Arrivals, error) {
	var all tableArrivals
	err := t.Query(func(row []any) error {
		text, ok := row[0].(string)
		if !ok {
			return nil
		}
		return json.Unmarshal([]byte(text), &all)
	}, `SELECT arrivals FROM sqlsync_snapshot WHERE dataset_id = ? AND peer = ?`, ds.id, peer[:])
	if err != nil {
		return nil, fmt.Errorf("read arrivals: %w", err)
	}
	list := make(wire.Arrivals)
	for name, at := range all[tab.id] {
		b, err := hex.DecodeString(name)
		if err != nil || len(b) != len(nobody) {
			return nil, errDamaged
		}
		list[merge.NodeID(b)] = at
	}
	return list, nil
}

// notArriving says that rows of a snapshot could not be merged.
func (t *tx) notArriving(ds *dataset, peer merge.NodeID) error {
	_, err := t.Exec(`UPDATE sqlsync_snapshot SET arrivals = NULL WHERE dataset_id = ? AND peer = ?`, ds.id, peer[:])
	return err
}

// joinArrivals adds what a snapshot that has ended has brought.
func (t *tx) joinArrivals(ds *dataset, peer merge.NodeID) error {
	news := false
	for _, tab := range t.cfg.tables {
		if tab.ds.id != ds.id || tab.waiting != "" {
			continue
		}
		list, err := t.arriving(ds, peer, tab)
		if err != nil {
			return err
		}
		maps.DeleteFunc(list, func(author merge.NodeID, at merge.HLC) bool { return at <= tab.arrivals[author] })
		if len(list) == 0 {
			continue
		}
		news = true
		if err := t.writeArrivals(tab, nil, list); err != nil {
			return err
		}
	}
	if !news {
		return nil
	}
	if err := t.changed(); err != nil {
		return err
	}
	settled := false
	for _, tab := range t.cfg.tables {
		if tab.ds.id != ds.id {
			continue
		}
		one, err := t.settleNeed(ds, tab)
		if err != nil {
			return err
		}
		settled = settled || one
	}
	if settled {
		return t.changed()
	}
	return nil
}
