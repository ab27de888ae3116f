package cdc

import (
	"context"

	"sqlsync/wire"
)

// recheckMost bounds how many violations one transaction looks at again.
const recheckMost = 500

// broken is a violation that is kept.
type broken struct {
	table      int64
	key        []byte
	kind, name string
}

// recheck forgets violations that were mended, of as many as a transaction may
// look at. If there are more, mend has to look at all.
func (t *tx) recheck() error {
	list, mended, err := t.recheckSome(`ORDER BY random()`)
	if mended > 0 && len(list) == recheckMost {
		t.s.mended.Store(true)
	}
	return err
}

// recheckSome looks at the violations that come first and forgets those that
// were mended.
func (t *tx) recheckSome(which string, args ...any) (list []broken, mended int, err error) {
	err = t.Query(func(r []any) error {
		list = append(list, broken{r[0].(int64), r[1].([]byte), r[2].(string), r[3].(string)})
		return nil
	}, `SELECT table_id, key, kind, name FROM sqlsync_violation `+which+` LIMIT ?`, append(args, recheckMost)...)
	if err != nil {
		return nil, 0, err
	}
	for _, v := range list {
		key, err := wire.DecodeRow(v.key)
		if err != nil {
			return nil, 0, errDamaged
		}
		stands := false
		if tab := t.cfg.byID[v.table]; tab != nil && tab.def != nil {
			if stands, err = t.stillBroken(tab, key, v.kind, v.name); err != nil {
				return nil, 0, err
			}
		}
		if stands {
			continue
		}
		mended++
		if _, err := t.Exec(`DELETE FROM sqlsync_violation WHERE table_id = ? AND key = ? AND kind = ? AND name = ?`, v.table, v.key, v.kind, v.name); err != nil {
			return nil, 0, err
		}
	}
	return list, mended, nil
}

// mend forgets all violations that were mended where there are more than one
// transaction looks at, in several.
func (s *Store) mend(ctx context.Context, dataset string) error {
	if !s.mended.Swap(false) {
		return nil
	}
	var last broken
	for more := true; more; {
		var list []broken
		err := s.writeIn(ctx, dataset, func(t *tx) (err error) {
			list, _, err = t.recheckSome(`WHERE (table_id, key, kind, name) > (?, ?, ?, ?) ORDER BY table_id, key, kind, name`,
				last.table, last.key, last.kind, last.name)
			return err
		})
		if err != nil {
			s.mended.Store(true)
			return err
		}
		if more = len(list) == recheckMost; more {
			last = list[len(list)-1]
		}
	}
	return nil
}
