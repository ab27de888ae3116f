package cdc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"sqlsync/merge"
	"sqlsync/wire"
)

// A snapshot that is broken off leaves rows here that the vector does not stand
// for: it goes on where it was, or another brings them. Where the peer has lost
// what it was telling, because an older copy of its file was put back, or is a
// remote no more, there may be nobody else who can tell them. Then they are
// stated again, as this node's.

// heard is what peers said last that they have. A snapshot tells more than its
// peer has confirmed by then, so only what begins anew is compared with it: what
// is said first, or is less than before.
type heard struct {
	mu sync.Mutex
	m  map[hearing]merge.Vector
}

type hearing struct {
	dataset string
	peer    merge.NodeID
}

// anew notes what a peer says, and reports whether it begins anew with that.
func (h *heard) anew(dataset string, peer merge.NodeID, v merge.Vector) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.m == nil {
		h.m = make(map[hearing]merge.Vector)
	}
	last, ok := h.m[hearing{dataset, peer}]
	h.m[hearing{dataset, peer}] = v.Clone()
	return !ok || !v.Covers(last)
}

// begun notes that a snapshot of the peer begins.
func (h *heard) begun(dataset string, peer merge.NodeID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.m == nil {
		h.m = make(map[hearing]merge.Vector)
	}
	if h.m[hearing{dataset, peer}] == nil {
		h.m[hearing{dataset, peer}] = merge.Vector{}
	}
}

// abandoned reports whether a peer was telling more when its snapshot was broken
// off than it has now.
func (d *Stream) abandoned(ctx context.Context, peer merge.NodeID, v merge.Vector) (bool, error) {
	if !d.s.heard.anew(d.name, peer, v) {
		return false, nil
	}
	var text []byte
	err := d.s.get(ctx, &text, `SELECT coalesce((SELECT heads FROM sqlsync_snapshot WHERE peer = ?
		AND dataset_id = (SELECT id FROM sqlsync_dataset WHERE name = ?)), x'5b5d')`, peer[:], d.name)
	if err != nil {
		return false, err
	}
	heads, err := decodeHeads(text)
	return lost(heads, v), err
}

func decodeHeads(text []byte) (heads []wire.ChainHead, err error) {
	if err := json.Unmarshal(text, &heads); err != nil {
		return nil, errDamaged
	}
	return heads, nil
}

// vectorOf are the ends of chains by origin.
func vectorOf(heads []wire.ChainHead) merge.Vector {
	v := make(merge.Vector, len(heads))
	for _, h := range heads {
		v[h.Origin] = h.Position
	}
	return v
}

// lost reports whether one of the ends is not in a vector.
func lost(heads []wire.ChainHead, v merge.Vector) bool {
	return slices.ContainsFunc(heads, func(h wire.ChainHead) bool { return v[h.Origin].Seq < h.Seq })
}

// abandon states again what a broken-off snapshot of a peer has brought, of all
// datasets if ds is nil.
func (t *tx) abandon(ds *dataset, peer merge.NodeID) error {
	type begun struct {
		dataset int64
		heads   []byte
	}
	var list []begun
	if err := t.Query(func(row []any) error {
		heads, _ := row[1].([]byte)
		if id := row[0].(int64); ds == nil || id == ds.id {
			list = append(list, begun{id, slices.Clone(heads)})
		}
		return nil
	}, `SELECT dataset_id, heads FROM sqlsync_snapshot WHERE peer = ? AND file IS NULL`, peer[:]); err != nil {
		return err
	}
	for _, b := range list {
		heads, err := decodeHeads(b.heads)
		if err != nil {
			return err
		}
		if err := t.stateBeyond(b.dataset, heads); err != nil {
			return err
		}
		if _, err := t.Exec(`DELETE FROM sqlsync_snapshot WHERE dataset_id = ? AND peer = ?`, b.dataset, peer[:]); err != nil {
			return err
		}
	}
	return t.restate()
}

// stateBeyond notes the rows of chains that the vector does not hold as far as the
// ends say.
func (t *tx) stateBeyond(dataset int64, heads []wire.ChainHead) error {
	var above map[merge.NodeID]merge.HLC
	only := func(v merge.Version) bool {
		last, beyond := above[v.Origin]
		return beyond && v.HLC.Seal() > last
	}
	for _, tab := range t.cfg.tables {
		if tab.ds.id != dataset || tab.def == nil || tab.waiting != "" || tab.appends() {
			continue
		}
		if above == nil {
			own, err := t.chains(tab.ds)
			if err != nil {
				return err
			}
			above = make(map[merge.NodeID]merge.HLC)
			for _, h := range heads {
				if h.Seq > own[h.Origin].Seq {
					above[h.Origin] = own[h.Origin].HLC
				}
			}
		}
		if len(above) == 0 {
			return nil
		}
		if err := t.metas(tab, nil, nil, func(key []wire.Value, m *meta) error {
			kept := keptOf(tab, m, only)
			if m.row.Dead && m.row.Latest.HLC.Seal() == m.row.Birth.HLC.Seal() { // dropDeleted may have dropped it for this peer's sake
				kept = &restated{gone: true}
			}
			if kept != nil {
				kept.tab, kept.key = tab, slices.Clone(key)
				t.restatements = append(t.restatements, *kept)
			}
			return nil
		}); err != nil {
			return fmt.Errorf("table %s: %w", tab.name, err)
		}
	}
	return nil
}
