package cdc

import (
	"errors"
	"fmt"
	"slices"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/schema"
	"sqlsync/wire"
)

// What reads rows beside their metadata reads them one after the other where there
// are packs, which no statement looks into.

// foundRow is a row of a range.
type foundRow struct{ key, values []wire.Value }

// rowPlaces are places of rows by their keys.
func rowPlaces(rows []foundRow) *seenKeys {
	seen := newSeenKeys()
	for i := range rows {
		seen.note(rows[i].key, i)
	}
	return seen
}

// packedRowsAfter is rowsAfter where there may be packs.
func (t *tx) packedRowsAfter(tab *table, after []wire.Value, keys int) (sp span, last []wire.Value, err error) {
	k := len(tab.key)
	var rows []foundRow
	size := 0
	err = t.Query(func(row []any) error {
		both := slices.Clone(row)
		rows = append(rows, foundRow{both[:k:k], both[k:]})
		for _, v := range row {
			size += sizeOf(v)
		}
		if sp.rows++; sp.rows == keys || size > sealBytes || tab.wide && sp.rows == wideChunk {
			last = both[:k:k]
			return sqlconn.Stop
		}
		return nil
	}, tab.verifyRows(after != nil), append(after[:len(after):len(after)], keys)...)
	if err != nil {
		return sp, nil, err
	}
	right := make([]bool, len(rows))
	if !tab.wide { // the cells of a wide table are read where suspects are judged
		places := rowPlaces(rows)
		err = t.metas(tab, after, last, func(key []wire.Value, m *meta) error {
			if i, ok := places.place(key); ok {
				right[i] = !tab.differs(rows[i].values, m)
			}
			return nil
		})
		if err != nil && !errors.Is(err, errDamaged) { // what was not reached is looked at row by row
			return sp, nil, err
		}
	}
	for i := range rows {
		if !right[i] {
			sp.suspects = append(sp.suspects, rows[i].key)
		}
	}
	return sp, last, nil
}

// packedMetaAfter is metaAfter where there may be packs.
func (t *tx) packedMetaAfter(tab *table, after []wire.Value, keys int) (sp span, last []wire.Value, err error) {
	var rows []foundRow
	var floor int64
	if after != nil {
		if floor, _, err = t.floor(after[0]); err != nil {
			return sp, nil, err
		}
	}
	err = t.records(tab, after, nil, func(key []wire.Value, row []any, p pack, damaged error) error {
		s, _ := row[2].(int64)
		switch {
		case damaged != nil:
			if id, ok := key[0].(int64); ok && after != nil && id <= floor {
				return nil // it was met
			}
			rows = append(rows, foundRow{key: slices.Clone(key)})
		case p != nil:
			for i := range p {
				rows = append(rows, foundRow{key: []wire.Value{p[i].key}})
			}
			key[0] = p[len(p)-1].key
		case state(s) == held:
			sp.suspects = append(sp.suspects, slices.Clone(key))
		case state(s) == alive:
			rows = append(rows, foundRow{key: slices.Clone(key)})
		}
		if sp.rows++; sp.rows == keys || len(rows) >= keys {
			last = slices.Clone(key)
			return sqlconn.Stop
		}
		return nil
	})
	sp.rows = 0 // they were counted when rows were read
	if err != nil || len(rows) == 0 {
		return sp, last, err
	}
	gone, err := t.notThere(tab, rows)
	for _, r := range gone {
		sp.suspects = append(sp.suspects, r.key)
	}
	return sp, last, err
}

// notThere returns those rows, in the order of their keys, that are not in the table.
func (t *tx) notThere(tab *table, rows []foundRow) (gone []foundRow, err error) {
	there := make([]bool, len(rows))
	places := rowPlaces(rows)
	name := schema.Quote(tab.def.Columns[tab.key[0]].Name)
	err = t.Query(func(row []any) error {
		if i, ok := places.place(row); ok {
			there[i] = true
		}
		return nil
	}, `SELECT +`+name+` FROM main.`+schema.Quote(tab.name)+` WHERE `+name+` BETWEEN ? AND ?`, rows[0].key[0], rows[len(rows)-1].key[0])
	for i, r := range rows {
		if !there[i] {
			gone = append(gone, r)
		}
	}
	return gone, err
}

// eachPack calls do with every pack of a table, which may change what it is of.
func (t *tx) eachPack(tab *table, do func(p pack) error) error {
	if !tab.mayPack() {
		return nil
	}
	const some = 64
	query := `SELECT k0, ` + metaColumns("") + ` FROM ` + tab.meta() + ` WHERE state = 3 ORDER BY k0 LIMIT ?`
	args := []any{some}
	for {
		var packs []pack
		err := t.Query(func(row []any) error {
			p, err := t.readPack(row)
			packs = append(packs, p)
			return err
		}, query, args...)
		if err != nil {
			return err
		}
		for _, p := range packs {
			if err := do(p); err != nil {
				return err
			}
		}
		if len(packs) < some {
			return nil
		}
		query = `SELECT k0, ` + metaColumns("") + ` FROM ` + tab.meta() + ` WHERE state = 3 AND k0 > ? ORDER BY k0 LIMIT ?`
		args = []any{packs[len(packs)-1].last(), some}
	}
}

// markGonePacked marks the rows in packs that are not in the table.
func (t *tx) markGonePacked(tab *table) (marked int64, err error) {
	err = t.eachPack(tab, func(p pack) error {
		rows := make([]foundRow, len(p))
		for i := range p {
			rows[i].key = []wire.Value{p[i].key}
		}
		gone, err := t.notThere(tab, rows)
		for _, r := range gone {
			if err == nil {
				err = t.mark(tab, r.key)
				marked++
			}
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("mark rows of %s: %w", tab.name, err)
	}
	return marked, nil
}

// unpack makes records of the rows in packs.
func (t *tx) unpack(tab *table) error {
	err := t.eachPack(tab, func(p pack) error {
		if _, err := t.Exec(`DELETE FROM `+tab.meta()+` WHERE k0 = ?`, p.first()); err != nil {
			return err
		}
		list := make([]pack, len(p))
		for i := range p {
			list[i] = p[i : i+1]
		}
		return t.writePacks(tab, list)
	})
	if err != nil {
		return fmt.Errorf("unpack metadata of %s: %w", tab.name, err)
	}
	return nil
}

// compareValuesPacked is compareValues where there may be packs.
func (t *tx) compareValuesPacked(tab *table, slot int, name string, n *comparedValues) error {
	key := schema.Quote(tab.def.Columns[tab.key[0]].Name)
	enough := false
	for after := []wire.Value(nil); ; {
		var rows []foundRow
		where := ``
		if after != nil {
			where = ` WHERE ` + key + ` > ?`
		}
		args := append([]any{tab.id}, after...)
		err := t.Query(func(row []any) error {
			row = slices.Clone(row)
			rows = append(rows, foundRow{row[:1:1], row[1:]})
			return nil
		}, `SELECT +`+key+`, +`+schema.Quote(name)+`, `+key+` IN (SELECT k0 FROM `+tab.ds.oplog()+` WHERE table_id = ?)
			FROM main.`+schema.Quote(tab.name)+where+` ORDER BY `+key+` LIMIT ?`, append(args, informative)...)
		if err != nil || len(rows) == 0 {
			return err
		}
		places := rowPlaces(rows)
		last := rows[len(rows)-1].key
		err = t.metas(tab, after, last, func(key []wire.Value, m *meta) error {
			i, ok := places.place(key)
			if ok && m.state == alive && n.add(rows[i].values[0], m.hashes.at(slot), rows[i].values[1] == int64(1)) {
				enough = true
				return sqlconn.Stop
			}
			return nil
		})
		if err != nil || enough {
			return err
		}
		after = last
	}
}
