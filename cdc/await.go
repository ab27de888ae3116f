package cdc

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/wire"
)

// A table waits, alone, while what other nodes have of it cannot be merged.
// The batches are held meanwhile, and its own changes go out.

// Kinds of disagreement about a table.
const (
	disagreeWatch = "watch" // a peer said when it connected how it watches the table
	disagreeKey   = "key"   // a batch has another key
)

// errAwaits ends a replay that has come to what the table waits for.
var errAwaits = errors.New("table waits")

// readDisagreements makes a table wait that another node has in another way.
func (t *tx) readDisagreements(tab *table) error {
	if _, err := t.Exec(`DELETE FROM sqlsync_disagreement WHERE table_id = ? AND own <> ?`, tab.id, tab.watchText()); err != nil {
		return err
	}
	return t.Query(func(row []any) error {
		tab.waiting = row[0].(string)
		return sqlconn.Stop
	}, `SELECT reason FROM sqlsync_disagreement WHERE table_id = ? ORDER BY kind, node LIMIT 1`, tab.id)
}

// disagree notes why a table waits for a node.
func (t *tx) disagree(tab *table, node merge.NodeID, kind, reason string) error {
	tab.waiting = reason
	_, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_disagreement (table_id, node, kind, own, reason) VALUES (?, ?, ?, ?, ?)`,
		tab.id, node[:], kind, tab.watchText(), reason)
	if err != nil {
		return fmt.Errorf("note why %s waits: %w", tab.name, err)
	}
	return nil
}

// agree takes a disagreement back and reports whether there was one.
func (t *tx) agree(tab *table, node merge.NodeID, kind string) (bool, error) {
	n, err := t.Exec(`DELETE FROM sqlsync_disagreement WHERE table_id = ? AND node = ? AND kind = ?`, tab.id, node[:], kind)
	return n > 0, err
}

// watchText is how a table is watched, in what nodes must agree about.
func (tab *table) watchText() string { return tab.policyText() + " " + tab.fingerprint() }

func (tab *table) keyFits(sec *wire.Section) bool {
	return slices.EqualFunc(sec.Key, tab.keyNames(), equalNames)
}

// awaitKey makes a table wait whose key is another where a batch comes from.
func (t *tx) awaitKey(tab *table, ds *dataset, pos int64, h *wire.Header, sec *wire.Section) error {
	if err := t.replayLater(tab, ds, pos); err != nil {
		return err
	}
	return t.disagree(tab, h.Origin, disagreeKey, fmt.Sprintf("its key is (%s) here and (%s) on node %s; give it the same key on both",
		strings.Join(tab.keyNames(), ", "), strings.Join(sec.Key, ", "), h.Origin))
}

// skipOrAwaitKey passes over a section of the time before its origin gave the
// table the key that it has here: then the rows came again.
func (t *tx) skipOrAwaitKey(tab *table, ds *dataset, pos int64, h *wire.Header, sec *wire.Section) error {
	fits, err := t.laterKeyFits(tab, ds, pos, h.Origin)
	if err != nil || fits {
		return err
	}
	if err := t.awaitKey(tab, ds, pos, h, sec); err != nil {
		return err
	}
	return errAwaits
}

// laterKeyFits reports whether a batch of origin's that is held behind pos has
// a section of the table whose key fits.
func (t *tx) laterKeyFits(tab *table, ds *dataset, pos int64, origin merge.NodeID) (bool, error) {
	id, err := t.origin(origin)
	if err != nil {
		return false, err
	}
	fits := false
	err = t.Query(func(row []any) error {
		sealed, err := t.s.parseHeld(row[0].([]byte))
		if err != nil {
			return nil // passed over, as eachSection does it
		}
		if sealed, err = t.s.revealed(sealed); err != nil {
			return err
		}
		if fits, err = tab.fitsIn(sealed); fits {
			return sqlconn.Stop
		}
		return err
	}, `SELECT sealed FROM sqlsync_batch WHERE dataset_id = ? AND origin_id = ? AND pos > ? ORDER BY pos`, ds.id, id, pos)
	return fits, err
}

// fitsIn reports whether a batch has a section of the table whose key fits.
func (tab *table) fitsIn(b *wire.Sealed) (bool, error) {
	_, heads, err := b.Header()
	if err != nil {
		return false, err
	}
	for i, head := range heads {
		if !equalNames(head.Table, tab.name) || b.Sections[i] == nil {
			continue
		}
		sec, err := b.OpenSection(i, wire.Limits{})
		if err != nil || tab.keyFits(sec) {
			return err == nil, err
		}
	}
	return false, nil
}
