package cdc

import (
	"slices"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/schema"
	"sqlsync/wire"
)

// touched is one row that was marked: as it is and as it was known.
type touched struct {
	meta   meta
	key    []wire.Value
	values []wire.Value // nil when the row is not there
	at     float64      // Julian day
	// baseline says that every mark was the baseline's, reborn that a
	// statement inserted the row or deleted it.
	baseline, reborn bool
}

// chunk seals the marks in (from, to] and returns how far it came.
func (s *sealer) chunk(from, to int64) (int64, error) {
	var ids []int64
	err := s.Query(func(row []any) error {
		ids = append(ids, row[0].(int64))
		return nil
	}, `SELECT DISTINCT table_id FROM `+s.ds.oplog()+` WHERE rowid > ? AND rowid <= ?`, from, to)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		tab := s.cfg.byID[id]
		if tab == nil || tab.def == nil {
			continue // no longer watched, or dropped: marked again if it returns
		}
		if tab.aside {
			continue
		}
		rows, reached, err := s.readMarks(tab, from, to)
		if err != nil {
			return 0, tab.failed(err)
		}
		to = reached
		if err := s.compare(tab, rows); err != nil {
			return 0, tab.failed(err)
		}
	}
	return to, nil
}

// readMarks reads the marks of one table, a row once, and the metadata of
// those that have any. It stops early, and says where, when the rows become
// large.
func (s *sealer) readMarks(tab *table, from, to int64) ([]touched, int64, error) {
	list := make([]touched, 0, to-from)
	var known []int
	k := len(tab.key)
	size := 0
	var nulls []wire.Value // a key that has a NULL
	err := s.Query(func(row []any) error {
		op, _ := row[1].(int64)
		if op == schema.OpRowid {
			s.rowids[tab.id] = true
			return nil
		}
		at, _ := row[2].(float64)
		tr := touched{at: at, baseline: op == opBaseline, reborn: op == schema.OpInsert || op == schema.OpDelete}
		here := row[4+k] != nil
		switch {
		case here:
			both := slices.Clone(row[4+k:])
			tr.key, tr.values = both[:k:k], both[k:] // of a wide table none yet
		case row[3] != nil:
			tr.key = slices.Clone(row[4 : 4+k])
		default:
			if nulls == nil && slices.Contains(row[4:4+k], nil) {
				nulls = slices.Clone(row[4 : 4+k])
			}
			return nil // came and went unseen
		}
		if was, ok := s.twice(tab, tr.key, s.base+len(list)); ok {
			if was >= s.base { // else it was compared with an earlier chunk
				w := &list[was-s.base]
				w.at, w.baseline, w.reborn = max(w.at, at), w.baseline && tr.baseline, w.reborn || tr.reborn
			}
			return nil
		}
		if row[3] != nil {
			known = append(known, len(list))
		}
		list = append(list, tr)
		for _, v := range tr.values {
			size += sizeOf(v)
		}
		if size > sealBytes || tab.wide && len(list) == wideChunk {
			to = row[0].(int64)
			return sqlconn.Stop
		}
		return nil
	}, tab.marked, from, to, tab.id)
	s.bytes += size
	if err == nil && tab.wide {
		err = s.readWide(tab, list)
	}
	if err == nil {
		err = s.readKnown(tab, list, known)
	}
	if err == nil && nulls != nil {
		if there, herr := s.hasNullKey(tab); herr != nil || !there {
			return list, to, herr
		}
		err = s.noteViolation(tab, nulls, nullKey, "NULL")
		s.touch(tab)
	}
	return list, to, err
}

// wideChunk is how many rows of a wide table are read before they are compared.
const wideChunk = 100

// readWide reads the cells of the rows that are there.
func (s *sealer) readWide(tab *table, list []touched) (err error) {
	for i := range list {
		if tr := &list[i]; tr.values != nil && err == nil {
			tr.values, err = s.readRow(tab, tr.key)
			for _, v := range tr.values {
				s.bytes += sizeOf(v)
			}
		}
	}
	return err
}

// twice reports whether a key was marked before, and at which place; if not it
// notes the place.
func (s *sealer) twice(tab *table, key []wire.Value, place int) (int, bool) {
	seen := s.seen[tab.id]
	if seen == nil {
		seen = newSeenKeys()
		s.seen[tab.id] = seen
	}
	return seen.note(key, place)
}

// seenKeys are the keys of a table that were marked, with their places.
type seenKeys struct {
	ids    map[int64]int
	others map[string]int
	buf    []byte // room for one of others
}

func newSeenKeys() *seenKeys {
	return &seenKeys{ids: make(map[int64]int), others: make(map[string]int)}
}

// place is where a key was noted.
func (k *seenKeys) place(key []wire.Value) (int, bool) {
	if id, ok := key[0].(int64); ok && len(key) == 1 {
		at, ok := k.ids[id]
		return at, ok
	}
	at, ok := k.others[keyText(key)]
	return at, ok
}

func (k *seenKeys) note(key []wire.Value, place int) (was int, again bool) {
	if id, ok := key[0].(int64); ok && len(key) == 1 {
		if was, again = k.ids[id]; !again {
			k.ids[id] = place
		}
		return was, again
	}
	k.buf = wire.AppendRow(k.buf[:0], key)
	if was, again = k.others[string(k.buf)]; !again {
		k.others[string(k.buf)] = place
	}
	return was, again
}

// readKnown reads the metadata of the rows at some places.
func (s *sealer) readKnown(tab *table, list []touched, places []int) error {
	keys := make([][]wire.Value, len(places))
	for i, p := range places {
		keys[i] = list[p].key
	}
	metas, err := s.lookup(tab, keys)
	for i := range metas {
		tr := &list[places[i]]
		if tr.meta = metas[i]; tr.values != nil || !tr.meta.exists() {
			continue
		}
		// Of keys that are equal but for their bytes, the one the row had; the
		// others stand for the same row.
		tr.key = tr.meta.key
		if was, again := s.twice(tab, tr.key, s.base+places[i]); again && was != s.base+places[i] {
			tr.meta = meta{}
		}
	}
	return err
}

func sizeOf(v wire.Value) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []byte:
		return len(v)
	}
	return 8
}
