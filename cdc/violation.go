package cdc

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// What was merged may break a FOREIGN KEY or a CHECK of the schema here, though
// every node kept them: one deletes a parent while another adds a child, or two
// columns are changed on two nodes. The rows are applied all the same; what they
// break is kept in sqlsync_violation, and goes by itself when it is mended.

// Kinds of violations.
const (
	brokenReference = "foreign_key"
	brokenCheck     = "check"
	nullKey         = "null_key" // a row whose key has a NULL, which cannot be told to others
)

// suspects are the rows that one transaction has merged and that may break
// something.
type suspects struct {
	children map[string]*claim  // by reference and values
	rows     map[string]suspect // whose CHECKs are to be looked at
	touched  map[int64]struct{} // tables
	parents  []suspect          // that were deleted or held
}

type suspect struct {
	tab *table
	key []wire.Value
	// saw tells what the author of the write had seen.
	saw func(merge.Version) bool
}

// claim is what some children say about a parent.
type claim struct {
	suspect
	ref    *reference
	values []wire.Value
	keys   [][]wire.Value
}

// sawAll is for rows that no write brought, sawNone for those that merging
// takes out of the table, which nobody has seen.
func sawAll(merge.Version) bool { return true }

func sawNone(merge.Version) bool { return false }

// suspectRow notes a row some of whose cells were written.
func (t *tx) suspectRow(s suspect, cells []int, values []wire.Value, updated bool) {
	tab, key := s.tab, s.key
	t.touch(tab)
	if updated && len(tab.checks) > 0 {
		if t.suspects.rows == nil {
			t.suspects.rows = make(map[string]suspect)
		}
		t.suspects.rows[fmt.Sprint(tab.id)+keyText(key)] = s
	}
next:
	for i := range tab.references {
		ref := &tab.references[i]
		claimed := make([]wire.Value, len(ref.cells))
		wrote := !updated
		for j, c := range ref.cells {
			if c < 0 {
				claimed[j] = key[ref.keys[j]]
				continue
			}
			at := slices.Index(cells, c)
			if at < 0 || values[at] == nil {
				continue next // not written, or refers to nothing
			}
			claimed[j], wrote = values[at], true
		}
		if !wrote {
			continue
		}
		t.claimBuf = wire.AppendRow(binary.AppendVarint(binary.AppendVarint(t.claimBuf[:0], tab.id), int64(i)), claimed)
		c := t.suspects.children[string(t.claimBuf)]
		if c == nil {
			if t.suspects.children == nil {
				t.suspects.children = make(map[string]*claim)
			}
			c = &claim{suspect: s, ref: ref, values: claimed}
			t.suspects.children[string(t.claimBuf)] = c
		}
		c.keys = append(c.keys, key)
	}
}

func (t *tx) touch(tab *table) {
	if _, ok := t.suspects.touched[tab.id]; ok {
		return
	}
	if t.suspects.touched == nil {
		t.suspects.touched = make(map[int64]struct{})
	}
	t.suspects.touched[tab.id] = struct{}{}
}

// suspectParent notes a row that was deleted or held.
func (t *tx) suspectParent(s suspect) {
	t.touch(s.tab)
	t.suspects.parents = append(t.suspects.parents, s)
}

// finishMerge does what depends on all that a transaction has merged.
func (t *tx) finishMerge() error {
	if err := t.sayAgain(); err != nil {
		return err
	}
	if err := t.rekey(); err != nil {
		return err
	}
	return t.findViolations()
}

// findViolations looks at what this transaction has merged, and again at what
// was broken before.
func (t *tx) findViolations() error {
	s := t.suspects
	t.suspects = suspects{}
	for _, c := range s.children {
		bereft, err := t.bereft(c)
		if err != nil {
			return err
		}
		for _, key := range c.keys {
			if !bereft {
				break
			}
			if err := t.noteViolation(c.tab, key, brokenReference, c.ref.name); err != nil {
				return err
			}
		}
	}
	for _, r := range s.rows {
		if err := t.check(r.tab, r.key); err != nil {
			return err
		}
	}
	if err := t.findOrphans(s.parents); err != nil {
		return err
	}
	if len(s.touched) == 0 {
		return nil
	}
	return t.recheck()
}

// bereft reports whether merging took the parent of some children: it is not
// there, and who wrote them did not know. An application that does not enforce
// its foreign keys makes orphans itself; those are its own affair.
func (t *tx) bereft(c *claim) (bool, error) {
	there, err := t.parentThere(c.ref, c.values)
	if err != nil || there {
		return false, err
	}
	parent := t.cfg.byName[schema.Fold(c.ref.parent)]
	if parent == nil || parent.def == nil {
		return true, nil // its table is not replicated: nobody will bring it
	}
	if !slices.EqualFunc(c.ref.columns, parent.keyNames(), equalNames) {
		return true, nil
	}
	metas, err := t.lookup(parent, [][]wire.Value{c.values})
	if err != nil {
		return false, err
	}
	m := &metas[0]
	return m.exists() && (m.state == held || m.row.Dead && !c.saw(m.row.Latest)), nil
}

// parentThere reports whether a row has the values that a child refers to.
func (t *tx) parentThere(ref *reference, values []wire.Value) (there bool, err error) {
	terms := make([]string, len(ref.columns))
	for i, c := range ref.columns {
		terms[i] = schema.Quote(c) + " = ?"
	}
	err = t.Query(func([]any) error {
		there = true
		return sqlconn.Stop
	}, `SELECT 1 FROM main.`+schema.Quote(ref.parent)+` WHERE `+strings.Join(terms, " AND "), values...)
	return there, err
}

// findOrphans looks for rows that refer to deleted ones by their keys.
func (t *tx) findOrphans(parents []suspect) error {
	for _, p := range parents {
		for _, tab := range t.cfg.tables {
			for i := range tab.references {
				ref := &tab.references[i]
				if !equalNames(ref.parent, p.tab.name) || !slices.EqualFunc(ref.columns, p.tab.keyNames(), equalNames) {
					continue
				}
				if err := t.findOrphansOf(p, tab, ref); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (t *tx) findOrphansOf(p suspect, tab *table, ref *reference) error {
	if there, err := t.parentThere(ref, p.key); err != nil || there {
		return err
	}
	children, err := t.children(tab, ref, p.key)
	if err != nil {
		return err
	}
	for _, c := range children {
		if p.saw(ref.written(tab, &c.m)) {
			continue
		}
		if err := t.noteViolation(tab, c.key, brokenReference, ref.name); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) noteViolation(tab *table, key []wire.Value, kind, name string) error {
	_, err := t.Exec(`INSERT OR IGNORE INTO sqlsync_violation (table_id, key, kind, name) VALUES (?, ?, ?, ?)`,
		tab.id, wire.AppendRow(nil, key), kind, name)
	if err != nil {
		return fmt.Errorf("note a violation: %w", err)
	}
	return nil
}

// check notes the CHECKs that a row breaks.
func (t *tx) check(tab *table, key []wire.Value) error {
	for _, c := range tab.checks {
		broken, err := t.breaks(tab, key, c)
		if err != nil {
			return err
		}
		if broken {
			if err := t.noteViolation(tab, key, brokenCheck, c.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// breaks reports whether a row breaks a CHECK: whether that is false.
func (t *tx) breaks(tab *table, key []wire.Value, c schema.Constraint) (broken bool, err error) {
	err = t.Query(func(row []any) error {
		broken = row[0] == int64(1)
		return sqlconn.Stop
	}, `SELECT NOT (`+c.Expr+"\n"+`) FROM main.`+schema.Quote(tab.name)+` WHERE `+tab.keyEquals("", "?"), key...)
	return broken, err
}

func (t *tx) stillBroken(tab *table, key []wire.Value, kind, name string) (bool, error) {
	switch kind {
	case brokenCheck:
		for _, c := range tab.checks {
			if c.Name == name {
				return t.breaks(tab, key, c)
			}
		}
	case nullKey:
		return t.hasNullKey(tab)
	case brokenReference:
		for i := range tab.references {
			ref := &tab.references[i]
			if ref.name != name {
				continue
			}
			row, err := t.readRow(tab, key)
			if err != nil || row == nil {
				return false, err
			}
			values, ok := ref.claims(key, row)
			if !ok {
				return false, nil
			}
			there, err := t.parentThere(ref, values)
			return !there, err
		}
	}
	return false, nil
}

func (t *tx) hasNullKey(tab *table) (bool, error) {
	terms := make([]string, len(tab.key))
	for i, name := range tab.keyNames() {
		terms[i] = schema.Quote(name) + " IS NULL"
	}
	n, err := t.Int(`SELECT EXISTS (SELECT 1 FROM main.` + schema.Quote(tab.name) + ` WHERE ` + strings.Join(terms, " OR ") + `)`)
	return n > 0, err
}
