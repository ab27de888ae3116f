package cdc

import (
	"fmt"

	"sqlsync/merge"
	"sqlsync/wire"
)

// chain is how far one chain is held, and what its next batch must name.
type chain struct {
	merge.Position
	hash wire.Hash
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
		c[t.cfg.origins.node[row[0].(int64)]] = chain{
			merge.Position{Seq: uint64(row[1].(int64)), HLC: merge.HLC(row[2].(int64))}, wire.Hash(hash),
		}
		return nil
	}, `SELECT origin_id, seq, hlc, hash FROM sqlsync_vector WHERE dataset_id = ?`, ds.id)
	if err != nil {
		return nil, fmt.Errorf("read vector: %w", err)
	}
	return c, nil
}

// heads are the ends of the chains, as peers are told of them.
func (c chains) heads() (list []wire.ChainHead) {
	for _, origin := range c.vector().Origins() {
		list = append(list, wire.ChainHead{Origin: origin, Position: c[origin].Position, Hash: c[origin].hash})
	}
	return list
}

// vector drops the hashes.
func (c chains) vector() merge.Vector {
	v := make(merge.Vector, len(c))
	for origin, ch := range c {
		v[origin] = ch.Position
	}
	return v
}

// horizons says what the author of a batch has applied of others.
func (c chains) horizons(author merge.NodeID) []wire.Horizon {
	var list []wire.Horizon
	for _, origin := range c.vector().Origins() {
		if origin != author {
			list = append(list, wire.Horizon{Origin: [8]byte(origin[:8]), HLC: c[origin].HLC})
		}
	}
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
	t.holds(ds, h.Origin, changes, sealed)
	return pos, nil
}
