package cdc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"sqlsync/merge"
	"sqlsync/wire"
)

// state is where a row is.
type state int64

const (
	alive state = 0 // in the user's table
	dead  state = 1 // deleted; the metadata is its tombstone
	held  state = 2 // alive by the rules, kept in sqlsync_held
)

// meta is the metadata of one row as it is stored.
type meta struct {
	row    merge.Row
	state  state
	hashes hashes
	// bases are, for a row that began as a baseline, the hashes that cells
	// written since had in the baseline. They tell whether another node's
	// baseline of the row was the same.
	bases []base
	// key is the key as the metadata has it: of equal keys, the one stored.
	key []wire.Value
	// states are those of the cells that have a policy of their own, by slot.
	states map[int][]byte
}

type base struct {
	slot int
	hash uint64
}

// exists reports whether the key was ever heard of.
func (m *meta) exists() bool { return m.row.Exists() }

// baseline returns the hash a cell had in the baseline.
func (m *meta) baseline(slot int) uint64 {
	for _, b := range m.bases {
		if b.slot == slot {
			return b.hash
		}
	}
	return m.hashes.at(slot)
}

// wrote notes that cells were written: their hashes are about to change, and
// for a baseline row the old ones are kept.
func (m *meta) wrote(slots []int) {
	if !m.row.Birth.HLC.Baseline() {
		m.bases = nil
		return
	}
	for _, s := range slots {
		if !slices.ContainsFunc(m.bases, func(b base) bool { return b.slot == s }) {
			m.bases = append(m.bases, base{s, m.hashes.at(s)})
		}
	}
}

// rebase puts the baseline's hashes back, for the tombstone of a row.
func (m *meta) rebase() {
	for _, b := range m.bases {
		m.hashes = m.hashes.with(b.slot, b.hash)
	}
	m.bases = nil
}

// metaWidth is the number of columns that metaColumns names.
const metaWidth = 7

func metaColumns(prefix string) string {
	return fmt.Sprintf("%[1]sbirth, %[1]sbirth_origin, %[1]sstate, %[1]sversion, %[1]sorigin, %[1]scells, %[1]shashes", prefix)
}

var errDamaged = errors.New("metadata is damaged")

// readMeta makes a meta of the columns that metaColumns names, the zero meta
// where they are NULL.
func (t *tx) readMeta(row []any) (meta, error) {
	if row[0] == nil {
		return meta{}, nil
	}
	var m meta
	var ok bool
	if m.row.Birth, ok = t.version(row[0], row[1]); !ok {
		return meta{}, errDamaged
	}
	s, _ := row[2].(int64)
	m.state = state(s)
	m.row.Dead = m.state == dead
	m.hashes, _ = row[6].([]byte)
	if cells, _ := row[5].([]byte); len(cells) > 0 {
		if err := t.readCellVersions(&m, cells); err != nil {
			return meta{}, err
		}
	}
	m.row.Latest = m.row.Birth
	for _, c := range m.row.Cells {
		if c.Version.After(m.row.Latest) {
			m.row.Latest = c.Version
		}
	}
	if row[3] != nil {
		if m.row.Latest, ok = t.version(row[3], row[4]); !ok {
			return meta{}, errDamaged
		}
	}
	return m, nil
}

func (t *tx) version(hlc, origin any) (merge.Version, bool) {
	h, ok := hlc.(int64)
	o, ok2 := origin.(int64)
	node, ok3 := t.cfg.origins.node[o]
	return merge.Version{HLC: merge.HLC(h), Origin: node}, ok && ok2 && ok3
}

// Cells are stored one after the other: the slot, four times, and with it
// whether there is a version, a state. A version is its HLC less the seal of
// the birth, the origin, and in a baseline row the cell's hash in the baseline;
// a state has its length before it.
const (
	cellVersion = 1
	cellState   = 2
)

func (t *tx) readCellVersions(m *meta, b []byte) error {
	for len(b) > 0 {
		head, n := binary.Uvarint(b)
		if n <= 0 {
			return errDamaged
		}
		b = b[n:]
		slot := int(head >> 2)
		var err error
		if head&cellVersion != 0 {
			if b, err = t.readCellVersion(m, slot, b); err != nil {
				return err
			}
		}
		if head&cellState != 0 {
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return errDamaged
			}
			m.setState(slot, b[n:n+int(size)])
			b = b[n+int(size):]
		}
	}
	return nil
}

func (t *tx) readCellVersion(m *meta, slot int, b []byte) ([]byte, error) {
	delta, n := binary.Varint(b)
	origin, n2 := binary.Uvarint(b[max(n, 0):])
	node, ok := t.cfg.origins.node[int64(origin)]
	if n <= 0 || n2 <= 0 || !ok {
		return nil, errDamaged
	}
	b = b[n+n2:]
	m.row.Cells = append(m.row.Cells, merge.Cell{Column: slot, Version: merge.Version{HLC: m.row.Birth.HLC.Seal() + merge.HLC(delta), Origin: node}})
	if m.row.Birth.HLC.Baseline() {
		if len(b) < hashSize {
			return nil, errDamaged
		}
		m.bases = append(m.bases, base{slot, getHash(b)})
		b = b[hashSize:]
	}
	return b, nil
}

// appendMeta appends the columns that metaColumns names.
func (t *tx) appendMeta(args []any, tab *table, m *meta) ([]any, error) {
	birthOrigin, err := t.origin(m.row.Birth.Origin)
	if err != nil {
		return nil, err
	}
	var stateArg, version, origin, cells any
	if m.row.Dead {
		m.state = dead
	} else if m.state == dead {
		m.state = alive
	}
	if m.state != alive {
		stateArg = int64(m.state)
	}
	// The latest version of a living row under lww follows from its cells.
	if m.row.Latest != m.row.Birth && (m.row.Dead || tab.rule == merge.WholeRow) {
		version = int64(m.row.Latest.HLC)
		if origin, err = t.origin(m.row.Latest.Origin); err != nil {
			return nil, err
		}
	}
	if len(m.row.Cells) > 0 || len(m.states) > 0 {
		if cells, err = t.cellVersions(m); err != nil {
			return nil, err
		}
	}
	return append(args, int64(m.row.Birth.HLC), birthOrigin, stateArg, version, origin, cells, []byte(m.hashes)), nil
}

func (t *tx) cellVersions(m *meta) ([]byte, error) {
	since := m.row.Birth.HLC.Seal()
	b := make([]byte, 0, len(m.row.Cells)*(3*binary.MaxVarintLen16+binary.MaxVarintLen32+hashSize))
	for slot, state := range m.states {
		if !slices.ContainsFunc(m.row.Cells, func(c merge.Cell) bool { return c.Column == slot }) {
			b = appendState(binary.AppendUvarint(b, uint64(slot<<2|cellState)), state)
		}
	}
	for _, c := range m.row.Cells {
		origin, err := t.origin(c.Version.Origin)
		if err != nil {
			return nil, err
		}
		state, has := m.states[c.Column]
		head := c.Column<<2 | cellVersion
		if has {
			head |= cellState
		}
		b = binary.AppendUvarint(b, uint64(head))
		b = binary.AppendVarint(b, int64(c.Version.HLC-since))
		b = binary.AppendUvarint(b, uint64(origin))
		if m.row.Birth.HLC.Baseline() {
			var h [hashSize]byte
			putHash(h[:], m.baseline(c.Column))
			b = append(b, h[:]...)
		}
		if has {
			b = appendState(b, state)
		}
	}
	return b, nil
}

func appendState(b, state []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(state))), state...)
}

func (m *meta) setState(slot int, state []byte) {
	if m.states == nil {
		m.states = make(map[int][]byte)
	}
	m.states[slot] = state
}

// remembered is metadata on its way into the table.
type remembered struct {
	key []wire.Value
	m   *meta
}

// asBorn reports whether a row has not been written since its birth, so that
// its metadata is its birth and its hashes.
func (m *meta) asBorn() bool {
	return m.state == alive && !m.row.Dead && len(m.row.Cells) == 0 && len(m.states) == 0 && m.row.Latest == m.row.Birth
}

// remember writes metadata, many rows to a statement.
func (t *tx) remember(tab *table, list []remembered) error {
	for len(list) > 0 {
		n := 1
		if list[0].m.asBorn() {
			for n < len(list) && list[n].m.asBorn() {
				n++
			}
			if err := t.rememberNew(tab, list[:n]); err != nil {
				return err
			}
		} else {
			for n < len(list) && !list[n].m.asBorn() {
				n++
			}
			if err := t.rememberAny(tab, list[:n]); err != nil {
				return err
			}
		}
		list = list[n:]
	}
	return nil
}

// rememberNew writes the metadata of rows as they were born.
func (t *tx) rememberNew(tab *table, list []remembered) error {
	if !tab.packs() {
		return t.rememberBorn(tab, list)
	}
	for len(list) > 0 {
		n := ascending(list)
		packed, err := t.rememberPacked(tab, list[:n])
		if err != nil {
			return err
		}
		if !packed {
			if err := t.rememberLoose(tab, list[:n]); err != nil {
				return err
			}
		}
		list = list[n:]
	}
	return nil
}

// rememberBorn writes the metadata of rows as they were born, a record each.
func (t *tx) rememberBorn(tab *table, list []remembered) error {
	width := len(tab.key) + 2
	for len(list) > 0 {
		origin := list[0].m.row.Birth.Origin
		n := 1
		for n < len(list) && list[n].m.row.Birth.Origin == origin {
			n++
		}
		id, err := t.origin(origin)
		if err != nil {
			return err
		}
		for part := range parts(list[:n], width) {
			t.args = t.args[:0]
			for _, r := range part {
				t.args = append(append(t.args, r.key...), int64(r.m.row.Birth.HLC), []byte(r.m.hashes))
			}
			if _, err := t.Exec(tab.rememberNew(len(part), id), t.args...); err != nil {
				return fmt.Errorf("write metadata of %s: %w", tab.name, err)
			}
		}
		list = list[n:]
	}
	return nil
}

func (t *tx) rememberAny(tab *table, list []remembered) error {
	if err := t.takeOut(tab, keysOf(list)); err != nil {
		return err
	}
	width := len(tab.key) + metaWidth
	for part := range parts(list, width) {
		t.args = t.args[:0]
		for _, r := range part {
			var err error
			if t.args, err = t.appendMeta(append(t.args, r.key...), tab, r.m); err != nil {
				return err
			}
		}
		if _, err := t.Exec(tab.remember(len(part)), t.args...); err != nil {
			return fmt.Errorf("write metadata of %s: %w", tab.name, err)
		}
	}
	return nil
}

// manyKeys is from how many keys on it pays to ask which is the highest.
const manyKeys = 16

// lookup reads the metadata of keys; what is not there stays the zero meta.
func (t *tx) lookup(tab *table, keys [][]wire.Value) ([]meta, error) {
	out := make([]meta, len(keys))
	places, err := t.possible(tab, keys)
	if err != nil {
		return nil, fmt.Errorf("read metadata of %s: %w", tab.name, err)
	}
	if tab.mayPack() {
		return out, t.lookupPacked(tab, keys, places, out)
	}
	k := len(tab.key)
	for part := range parts(places, k) {
		args := t.args[:0]
		for _, i := range part {
			args = append(args, keys[i]...)
		}
		t.args = args
		err := t.Query(func(row []any) error {
			m, err := t.readMeta(row[1:])
			m.key = slices.Clone(row[1+metaWidth : 1+metaWidth+k])
			out[part[row[0].(int64)]] = m
			return err
		}, tab.lookup(len(part)), args...)
		if err != nil {
			return nil, fmt.Errorf("read metadata of %s: %w", tab.name, err)
		}
	}
	return out, nil
}

// possible are the places of keys that may have metadata: of many rows most are
// often new, with ids above all that there were.
func (t *tx) possible(tab *table, keys [][]wire.Value) ([]int, error) {
	highest := int64(math.MaxInt64)
	if len(keys) >= manyKeys && tab.mayPack() {
		var err error
		if highest, err = t.highest(tab); err != nil {
			return nil, err
		}
	}
	places := make([]int, 0, len(keys))
	for i, key := range keys {
		if id, ok := key[0].(int64); !ok || id <= highest {
			places = append(places, i)
		}
	}
	return places, nil
}
