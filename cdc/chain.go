package cdc

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"sqlsync/merge"
	"sqlsync/wire"
)

// chain is how far one chain is held, and what its next batch must name.
type chain struct {
	merge.Position
	hash wire.Hash
	// gap is the first batch that lacks a section which is wanted, 0 if none
	// does, and before the time of the one before it.
	gap    uint64
	before merge.HLC
}

// chains are the chains of one dataset by origin.
type chains map[merge.NodeID]chain

func (t *tx) chains(ds *dataset) (chains, error) {
	c := make(chains)
	err := t.Query(func(row []any) error {
		hash, _ := row[3].([]byte)
		if len(hash) != len(wire.Hash{}) {
			return errDamaged
		}
		ch := chain{Position: merge.Position{Seq: uint64(row[1].(int64)), HLC: merge.HLC(row[2].(int64))}, hash: wire.Hash(hash)}
		if gap, ok := row[4].(int64); ok {
			before, _ := row[5].(int64)
			ch.gap, ch.before = uint64(gap), merge.HLC(before)
		}
		c[t.cfg.origins.node[row[0].(int64)]] = ch
		return nil
	}, `SELECT v.origin_id, v.seq, v.hlc, v.hash, g.seq, g.before
		FROM sqlsync_vector AS v LEFT JOIN (`+gaps+`) AS g ON g.origin_id = v.origin_id WHERE v.dataset_id = ?1`, ds.id)
	if err != nil {
		return nil, fmt.Errorf("read vector: %w", err)
	}
	return c, nil
}

// heads are the ends of the chains, as peers are told of them.
func (c chains) heads() (list []wire.ChainHead) {
	for _, origin := range slices.SortedFunc(maps.Keys(c), merge.NodeID.Compare) {
		list = append(list, wire.ChainHead{Origin: origin, Position: c[origin].Position, Hash: c[origin].hash})
	}
	return list
}

// gaps are, by chain of the dataset ?1, the first batches that lack a section
// which is wanted, and the times of the batches before these.
const gaps = `SELECT g.origin_id, g.seq, (
		SELECT last FROM sqlsync_batch WHERE dataset_id = ?1 AND origin_id = g.origin_id AND seq = g.seq - 1
		UNION ALL SELECT hlc FROM sqlsync_checkpoint WHERE dataset_id = ?1 AND origin_id = g.origin_id AND seq = g.seq - 1) AS before
	FROM (SELECT origin_id, min(seq) AS seq FROM sqlsync_left WHERE dataset_id = ?1 AND wanted GROUP BY origin_id) AS g`

// told is what peers are told of a chain: nothing is missing up to there.
func (c chain) told() merge.Position {
	if c.gap == 0 {
		return c.Position
	}
	return merge.Position{Seq: c.gap - 1, HLC: c.before}
}

func (c chains) haveGap() bool {
	for _, ch := range c {
		if ch.gap > 0 {
			return true
		}
	}
	return false
}

// vector is what is here with everything that is wanted of it.
func (c chains) vector() merge.Vector {
	v := make(merge.Vector, len(c))
	for origin, ch := range c {
		if p := ch.told(); p.Seq > 0 {
			v[origin] = p
		}
	}
	return v
}

// horizons says what the author of a batch has applied of others. Of tables with
// a gap that is no more than what is before it.
func (c chains) horizons(author merge.NodeID, gap bool) []wire.Horizon {
	var list []wire.Horizon
	for origin, ch := range c {
		p := ch.Position
		if gap {
			p = ch.told()
		}
		if origin != author && p.Seq > 0 {
			list = append(list, wire.Horizon{Origin: [8]byte(origin[:8]), HLC: p.HLC})
		}
	}
	slices.SortFunc(list, func(a, b wire.Horizon) int { return bytes.Compare(a.Origin[:], b.Origin[:]) })
	return list
}

// hold appends a batch to its chain and to the order in which batches came to
// be held. The caller has checked that it is the next of its chain.
func (t *tx) hold(ds *dataset, h *wire.Header, sealed *wire.Sealed, changes int) (pos int64, err error) {
	origin, err := t.origin(h.Origin)
	if err != nil {
		return 0, err
	}
	if pos, err = t.Int(`SELECT pos + 1 FROM sqlsync_dataset WHERE id = ?`, ds.id); err != nil {
		return 0, err
	}
	if _, err := t.Exec(`UPDATE sqlsync_dataset SET pos = ? WHERE id = ?`, pos, ds.id); err != nil {
		return 0, err
	}
	if _, err := t.Exec(`INSERT INTO sqlsync_batch (dataset_id, pos, origin_id, seq, changes, sealed, last) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		ds.id, pos, origin, int64(h.Seq), changes, sealed.Append(nil), int64(h.Last)); err != nil {
		return 0, fmt.Errorf("hold batch: %w", err)
	}
	hash := sealed.Hash()
	if _, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_vector (dataset_id, origin_id, seq, hlc, hash) VALUES (?, ?, ?, ?, ?)`,
		ds.id, origin, int64(h.Seq), int64(h.Last), hash[:]); err != nil {
		return 0, fmt.Errorf("advance vector: %w", err)
	}
	if t.held == nil {
		t.held = make(map[string][]wire.Held)
	}
	t.held[ds.name] = append(t.held[ds.name], wire.Held{Pos: pos, Origin: h.Origin, Seq: h.Seq, Sealed: sealed})
	t.holds(ds, h.Origin, changes, sealed)
	return pos, nil
}
