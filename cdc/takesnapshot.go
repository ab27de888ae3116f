package cdc

import (
	"context"
	"encoding/json"
	"fmt"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// TakeSnapshot merges a part of a snapshot that a peer has sent, nil to begin
// or to go on with one that was broken off, and returns what to ask for next, or
// nil at the end. The vector is then what the snapshot stood for. How far it has
// come is kept in the same transaction.
func (d *Stream) TakeSnapshot(ctx context.Context, peer merge.NodeID, part *wire.SnapshotPart) (next *wire.SnapshotRequest, err error) {
	late := false
	for more := true; more; {
		err := d.s.writeIn(ctx, d.name, func(t *tx) error {
			late = false
			ds, err := t.dataset(d.name)
			if err != nil {
				return err
			}
			if part == nil {
				more = false
				if next, err = t.resumeSnapshot(ds, peer); err == nil && len(next.Cursor) == 0 {
					err = t.askArrivals(ds, peer)
				}
				return err
			}
			if more, err = t.sealSome(ds); err != nil || more {
				return err
			}
			if next, err = t.takePart(ds, peer, part); err == nil && next == nil {
				late, err = t.late(ds) // what waited for sections that are given up
			}
			return err
		})
		if err == nil && late {
			err = d.s.replay(ctx, d.name)
		}
		if err != nil {
			return nil, fmt.Errorf("take snapshot of %s: %w", d.name, err)
		}
	}
	return next, nil
}

// resumeSnapshot says from where on a peer's snapshot is to be asked for.
func (t *tx) resumeSnapshot(ds *dataset, peer merge.NodeID) (*wire.SnapshotRequest, error) {
	req := &wire.SnapshotRequest{}
	err := t.Query(func(row []any) error {
		req.Cursor, _ = row[0].([]byte)
		return nil
	}, `SELECT cursor FROM sqlsync_snapshot WHERE dataset_id = ? AND peer = ?`, ds.id, peer[:])
	return req, err
}

// beginSnapshot notes what a snapshot stands for.
func (t *tx) beginSnapshot(ds *dataset, peer merge.NodeID, heads []wire.ChainHead) error {
	text, err := json.Marshal(heads)
	if err != nil {
		return err
	}
	had, err := t.snapshotHeads(ds, peer)
	if err != nil {
		return err
	}
	for _, h := range heads {
		if had[h.Origin].Seq <= h.Seq {
			delete(had, h.Origin)
		}
	}
	t.s.heard.begun(ds.name, peer)
	if len(had) > 0 { // of one that was broken off: the peer has lost some of it
		if err := t.abandon(ds, peer); err != nil {
			return err
		}
	}
	if _, err := t.Exec(`INSERT OR IGNORE INTO sqlsync_snapshot (dataset_id, peer, cursor, heads) VALUES (?, ?, x'', x'5b5d')`, ds.id, peer[:]); err != nil {
		return err
	}
	_, err = t.Exec(`UPDATE sqlsync_snapshot SET cursor = x'', heads = ?, told = NULL WHERE dataset_id = ? AND peer = ?`, text, ds.id, peer[:])
	return err
}

func (t *tx) takePart(ds *dataset, peer merge.NodeID, part *wire.SnapshotPart) (*wire.SnapshotRequest, error) {
	if len(part.Heads) > 0 {
		if err := t.beginSnapshot(ds, peer, part.Heads); err != nil {
			return nil, err
		}
	} else if begun, err := t.begun(ds, peer); err != nil || !begun { // or abandoned since: then it begins anew
		return &wire.SnapshotRequest{}, err
	}
	for _, p := range part.Parts {
		if err := t.takeRows(ds, peer, p); err != nil {
			return nil, err
		}
	}
	if len(part.From) == 0 {
		if err := t.tell(ds, peer, part.Table); err != nil {
			return nil, err
		}
	}
	if err := t.untold(ds, peer, part.Table, []wire.KeyRange{{From: part.From, To: part.To}}, part.Parts, part.Complete); err != nil {
		return nil, err
	}
	if err := t.finishMerge(); err != nil {
		return nil, err
	}
	if len(part.Cursor) == 0 {
		return nil, t.endSnapshot(ds, peer)
	}
	_, err := t.Exec(`UPDATE sqlsync_snapshot SET cursor = ? WHERE dataset_id = ? AND peer = ?`, part.Cursor, ds.id, peer[:])
	return &wire.SnapshotRequest{Cursor: part.Cursor}, err
}

// begun reports whether a snapshot of a peer is on its way here.
func (t *tx) begun(ds *dataset, peer merge.NodeID) (bool, error) {
	n, err := t.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_snapshot WHERE dataset_id = ? AND peer = ?)`, ds.id, peer[:])
	return n != 0, err
}

// takeRows merges rows that one origin has written.
func (t *tx) takeRows(ds *dataset, peer merge.NodeID, p *wire.Sealed) error {
	b, err := p.Open(wire.Limits{})
	if err != nil {
		return err
	}
	if b.Header.Dataset != ds.name {
		return fmt.Errorf("%w: snapshot of dataset %q came on %q", wire.ErrInvalid, b.Header.Dataset, ds.name)
	}
	if b.Header.Last.Time().After(t.now.Add(t.s.maxDrift)) && b.Header.Origin != (merge.NodeID{}) {
		return fmt.Errorf("%w: %v", wire.ErrAhead, b.Header.Origin)
	}
	if b.Header.Origin != (merge.NodeID{}) { // who writes to the rows has seen them, also before the snapshot ends
		t.clock.Observe(b.Header.Last)
	}
	for i := range b.Sections {
		sec := &b.Sections[i]
		tab := t.cfg.byName[schema.Fold(sec.Table)]
		if tab == nil || !tab.takes(ds) {
			continue
		}
		if tab.waiting != "" || tab.def == nil || !tab.keyFits(sec) {
			if err := t.need(tab); err != nil {
				return err
			}
			if err := t.notArriving(ds, peer); err != nil {
				return err
			}
			continue
		}
		if err := t.came(tab, ds); err != nil {
			return err
		}
		brings, err := t.arriving(ds, peer, tab)
		if err != nil {
			return err
		}
		if err := t.takeSection(tab, &b.Header, sec, tab.arrivals.Cover(brings)); err != nil {
			return fmt.Errorf("table %s: %w", tab.name, err)
		}
		if err := t.adoptOrphans(tab, ds); err != nil {
			return fmt.Errorf("table %s: %w", tab.name, err)
		}
	}
	return nil
}

// takeSection merges rows. told says that this node was told of all rows that
// ever were where they come from.
func (t *tx) takeSection(tab *table, h *wire.Header, sec *wire.Section, told bool) error {
	a, err := t.newApplier(tab, tab.ds, 0, h, &wire.Section{Table: sec.Table, Key: sec.Key, Columns: known(tab, sec.Columns), Changes: nil})
	if err != nil {
		return err
	}
	if len(a.columns) != len(sec.Columns) {
		return errDamaged
	}
	if err := t.lackGone(tab, sec.Columns); err != nil {
		return err
	}
	a.fromSnapshot, a.remerging = true, false
	if told {
		if a.forgotten, err = t.forgottenUpTo(tab, h.Origin); err != nil {
			return err
		}
	}
	open, err := t.endsUntold(tab)
	if err != nil {
		return err
	}
	a.restating = open[h.Origin]
	if merged, err := t.caughtUp(tab); err != nil {
		return err
	} else if merged && !a.restating {
		chains, err := t.chains(tab.ds)
		if err != nil {
			return err
		}
		a.heard = chains[h.Origin].HLC
	}
	if err := a.checkWholes(sec.Changes); err != nil {
		return err
	}
	return a.mergeAll(sec.Changes)
}

// known hides the columns that the table does not have: a snapshot has no
// batch that they could be merged from later, see lackGone.
func known(tab *table, columns []string) []string {
	out := make([]string, len(columns))
	for i, name := range columns {
		if out[i] = name; tab.cellNamed(name) < 0 && !isShadow(name) {
			out[i] = name + "\x00lacking"
		}
	}
	return out
}

// forgottenUpTo is up to where this node was told of an origin's rows of a
// table. One that was born before that and is not known here was deleted, and
// its tombstone pruned: a snapshot of a peer that was long away must not bring
// it back.
func (t *tx) forgottenUpTo(tab *table, origin merge.NodeID) (merge.HLC, error) {
	if pruned, err := t.pruned(tab.ds); err != nil || !pruned {
		return 0, err
	}
	if whole, err := t.whole(tab); err != nil || !whole {
		return 0, err
	}
	if open, err := t.openFork(tab.ds, origin); err != nil || open {
		return 0, err // what it says of its chain does not stand for all of it
	}
	chains, err := t.chains(tab.ds)
	upTo := chains[origin].HLC
	for i := range tab.formers { // a row is told of in any of them
		if chains, err = t.chains(tab.formers[i].ds); err != nil {
			return 0, err
		}
		upTo = min(upTo, chains[origin].HLC)
	}
	return upTo, err
}

// endSnapshot makes the vector what the snapshot stood for.
func (t *tx) endSnapshot(ds *dataset, peer merge.NodeID) error {
	var heads []wire.ChainHead
	err := t.Query(func(row []any) error {
		b, _ := row[0].([]byte)
		return json.Unmarshal(b, &heads)
	}, `SELECT heads FROM sqlsync_snapshot WHERE dataset_id = ? AND peer = ?`, ds.id, peer[:])
	if err != nil {
		return err
	}
	chains, err := t.chains(ds)
	if err != nil {
		return err
	}
	missed, err := t.mergedForks(ds, heads)
	if err != nil {
		return err
	}
	for _, h := range heads {
		origin, err := t.origin(h.Origin)
		if err != nil {
			return err
		}
		gaveUp, err := t.giveUp(ds, origin, h)
		if err != nil {
			return err
		}
		missed = missed || gaveUp || h.Seq > chains[h.Origin].Seq
		if h.Seq <= chains[h.Origin].Seq {
			continue
		}
		if err := t.jump(ds, h); err != nil {
			return err
		}
	}
	if err := t.weighNeeds(ds, peer, missed); err != nil {
		return err
	}
	if err := t.joinArrivals(ds, peer); err != nil {
		return err
	}
	if err := t.retold(ds); err != nil {
		return err
	}
	t.work.grown = true
	if err := t.endImport(ds, peer); err != nil {
		return err
	}
	_, err = t.Exec(`DELETE FROM sqlsync_snapshot WHERE dataset_id = ? AND peer = ?`, ds.id, peer[:])
	return err
}

// jump takes a chain to be held up to a head, although its batches are not.
func (t *tx) jump(ds *dataset, h wire.ChainHead) error {
	origin, err := t.origin(h.Origin)
	if err != nil {
		return err
	}
	if err := t.forgo(ds, origin, ""); err != nil {
		return err
	}
	for _, q := range []string{
		`INSERT OR REPLACE INTO sqlsync_vector (dataset_id, origin_id, seq, hlc, hash) VALUES (?, ?, ?, ?, ?)`,
		`INSERT OR REPLACE INTO sqlsync_checkpoint (dataset_id, origin_id, seq, hlc, hash) VALUES (?, ?, ?, ?, ?)`,
	} {
		if _, err := t.Exec(q, ds.id, origin, int64(h.Seq), int64(h.HLC), h.Hash[:]); err != nil {
			return err
		}
	}
	t.clock.Observe(h.HLC)
	return nil
}
