package cdc

import (
	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// A row that refers to another means the one that was in the table when the
// reference was written. One that loses its key is written anew, with what it
// refers to: its conflict keeps since when it does.

// meant says since when columns refer to what they refer to.
type meant []meantCell

type meantCell struct {
	column string
	at     merge.HLC
}

// at is since when a column refers to what it does: since wrote unless the list
// has it.
func (l meant) at(column string, wrote merge.HLC) merge.HLC {
	for _, c := range l {
		if equalNames(c.column, column) {
			return c.at
		}
	}
	return wrote
}

// means reports whether what was written at a time, and refers to the key that
// the row had, means it.
func (m *moved) means(at merge.HLC) bool {
	at = at.Seal()
	return (m.from == 0 || at > m.from) && (m.upTo == 0 || at <= m.upTo)
}

// meantOf is since when the columns of a row of this node's refer to what they
// refer to, those that are in the key left out.
func (t *tx) meantOf(tab *table, m *meta) (list meant, err error) {
	var kept meant
	if tab.rekeys() && m.exists() {
		err = t.Query(func(r []any) error {
			birth, all, err := decodeMeant(r[0].([]byte))
			if err == nil && birth == m.row.Birth.HLC {
				kept, err = all, sqlconn.Stop
			}
			return err
		}, `SELECT meant FROM sqlsync_conflict WHERE table_id = ? AND kind = ? AND rekeyed = ? AND meant IS NOT NULL`,
			tab.id, string(merge.KindKey), wire.AppendRow(nil, m.key))
	}
	for i := range tab.cells {
		c := &tab.cells[i]
		if c.key >= 0 || !tab.def.Refers(tab.def.Column(c.name)) {
			continue
		}
		v := m.row.Cell(c.slot)
		at := v.HLC
		if v == m.row.Birth {
			at = kept.at(c.name, at)
		}
		list = append(list, meantCell{c.name, at})
	}
	return list, err
}

// keepMeant keeps with the conflicts of rows that have just lost their keys
// since when they refer to what they do. A row that is the other one, unless
// what they refer to turns out not to be the same, is kept without being listed.
func (t *tx) keepMeant(rows []keyLoss) error {
	for i := range rows {
		r := &rows[i]
		if r.equal {
			contended, err := t.contended(r)
			if err != nil {
				return err
			}
			if !contended {
				continue
			}
			if err := t.writeConflict(r.tab, r.key, r.loss, r.im, r.im); err != nil {
				return err
			}
			if err := t.dismiss(r.id()); err != nil {
				return err
			}
		}
		if err := t.writeMeant(r.id(), 0, r.meant); err != nil {
			return err
		}
	}
	return nil
}

// contended reports whether a row refers to one that has lost its key and may
// get another.
func (t *tx) contended(r *keyLoss) (is bool, err error) {
	for _, fk := range r.tab.def.ForeignKeys {
		parent := t.cfg.byName[schema.Fold(fk.Parent)]
		if parent == nil || parent.def == nil || !parent.rekeys() {
			continue
		}
		key, ok := parent.keyReferred(fk, r.tab, r.im)
		if !ok || is {
			continue
		}
		n, err := t.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_conflict WHERE table_id = ? AND kind = ? AND key = ? AND rekeyed IS NULL AND shown IS NOT NULL)`,
			parent.id, string(merge.KindKey), parent.listedKey(key))
		if err != nil {
			return false, err
		}
		is = n > 0
	}
	return is, nil
}

// writeMeant keeps with a conflict since when the row that lost its key, and is
// there again with this birth, refers to what it does.
func (t *tx) writeMeant(id string, birth merge.HLC, list meant) error {
	row := []wire.Value{int64(birth)}
	for _, c := range list {
		row = append(row, c.column, int64(c.at))
	}
	_, err := t.Exec(`UPDATE sqlsync_conflict SET meant = ? WHERE id = ?`, wire.AppendRow(nil, row), id)
	return err
}

func decodeMeant(b []byte) (birth merge.HLC, list meant, err error) {
	row, err := wire.DecodeRow(b)
	if err != nil || len(row)%2 != 1 {
		return 0, nil, errDamaged
	}
	for i := 0; i < len(row); i += 2 {
		at, ok := row[i].(int64)
		if !ok {
			return 0, nil, errDamaged
		}
		if i == 0 {
			birth = merge.HLC(at)
			continue
		}
		column, ok := row[i-1].(string)
		if !ok {
			return 0, nil, errDamaged
		}
		list = append(list, meantCell{column, merge.HLC(at)})
	}
	return birth, list, nil
}
