package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sqlsync/merge"
	"sqlsync/wire"
)

// Stream is one dataset of a store, with the methods by which package
// replicate drives it. It is a name, not a resource.
type Stream struct {
	s    *Store
	name string
	// may says which datasets a peer may have, nil for all; told that it is a peer
	// that asks.
	may  func(dataset string) bool
	told bool
}

// Stream returns the dataset of that name; whether there is one is told by
// what is done with it.
func (s *Store) Stream(dataset string) *Stream { return &Stream{s: s, name: dataset} }

// For returns the dataset as somebody is told of it who may have some datasets
// only: a table that was in it and is in another by now is not told where that is
// none of these.
func (d *Stream) For(may func(dataset string) bool) *Stream {
	return &Stream{s: d.s, name: d.name, may: may}
}

func (d *Stream) answering() *Stream { return &Stream{d.s, d.name, d.may, true} }

// has reports whether a table is one of the dataset, or was. A peer is told of
// those that were if they are not private now, and in a dataset that it may have.
func (d *Stream) has(tab *table) bool {
	switch {
	case tab.ds.name == d.name:
		return true
	case d.told && (tab.ds.private || d.may != nil && !d.may(tab.ds.name)):
		return false
	}
	return slices.ContainsFunc(tab.formers, func(f former) bool { return f.ds.name == d.name })
}

// Vector returns what is applied durably, this node's own chain included. It
// falls back when more tables come to be wanted: see interest.go.
func (d *Stream) Vector(ctx context.Context) (merge.Vector, error) {
	v, err := d.s.vector(ctx, d.name)
	if err == nil {
		err = d.s.waitElsewhere()
	}
	return v, err
}

// After returns held batches whose place is after pos, in order: at least one
// if there is any, and then as many as fit into about maxBytes.
func (d *Stream) After(ctx context.Context, pos int64, maxBytes int) ([]wire.Held, error) {
	return d.AfterExcept(ctx, pos, nil, nil, maxBytes)
}

// AfterExcept is After without the batches that have covers, which are not
// read, without the sections of tables that wants, which is as in Interest, has
// not, and without damaged ones.
func (d *Stream) AfterExcept(ctx context.Context, pos int64, have merge.Vector, wants []string, maxBytes int) ([]wire.Held, error) {
	if list := d.s.tail.read(d.name, pos, have, maxBytes); len(list) > 0 {
		if err := d.s.durable.wait(); err != nil {
			return nil, fmt.Errorf("read batches: %w", err)
		}
		for i := range list {
			list[i].Own = list[i].Origin == d.s.Author()
			if err := narrow(&list[i], wants); err != nil {
				return nil, fmt.Errorf("read batches: %w", err)
			}
		}
		return list, nil
	}
	list, rowids, err := d.listAfter(ctx, pos, have, maxBytes)
	if err != nil {
		return nil, fmt.Errorf("read batches: %w", err)
	}
	whole := list[:0]
	for i, h := range list {
		err := d.heldAt(ctx, &h, rowids[i])
		if err != nil && !errors.Is(err, ErrDamagedBatch) {
			return nil, fmt.Errorf("read batches: %w", err)
		}
		if err == nil {
			err = damagedBatch(narrow(&h, wants))
		}
		if d.s.trouble(giving(d.name, h.Origin, h.Seq), err); err == nil {
			whole = append(whole, h)
		}
	}
	if len(whole) == 0 && len(list) > 0 {
		return d.AfterExcept(ctx, list[len(list)-1].Pos, have, wants, maxBytes)
	}
	return whole, nil
}

// heldAt reads a batch that is held.
func (d *Stream) heldAt(ctx context.Context, h *wire.Held, rowid int64) (err error) {
	var sealed []byte
	if err := d.s.get(ctx, &sealed, `SELECT sealed FROM sqlsync_batch WHERE rowid = ?`, rowid); err != nil {
		return err
	}
	h.Sealed, err = d.s.parseHeld(sealed)
	return damagedBatch(err)
}

// parseHeld parses a batch that is held, and says why if it is damaged.
func (s *Store) parseHeld(blob []byte) (*wire.Sealed, error) {
	sealed, err := wire.ParseSealed(blob)
	if err == nil {
		err = sealed.Verify(s.verify)
	}
	return sealed, err
}

// ErrDamagedBatch says that a held batch is not what was stored. A peer that
// lacks it gets a snapshot, as if it had been pruned.
var ErrDamagedBatch = errors.New("it is damaged in this file")

// giving is what cannot be done with a damaged batch.
func giving(dataset string, origin merge.NodeID, seq uint64) string {
	return fmt.Sprintf("give batch %d of %v in %s to peers", seq, origin, dataset)
}

func damagedBatch(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrDamagedBatch, err)
}

// listAfter lists what AfterExcept reads. The length of a blob is told by its
// row's header, so a batch that is passed over costs no more than that.
func (d *Stream) listAfter(ctx context.Context, pos int64, have merge.Vector, maxBytes int) (list []wire.Held, rowids []int64, err error) {
	rows, err := d.s.query(ctx, `SELECT b.pos, o.key, b.seq, b.rowid, length(b.sealed)
		FROM sqlsync_batch AS b JOIN sqlsync_origin AS o ON o.id = b.origin_id
		WHERE b.dataset_id = (SELECT id FROM sqlsync_dataset WHERE name = ?) AND b.pos > ? ORDER BY b.pos`, d.name, pos)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for size := 0; size < maxBytes && rows.Next(); {
		var h wire.Held
		var origin []byte
		var rowid int64
		var length int
		if err := rows.Scan(&h.Pos, &origin, &h.Seq, &rowid, &length); err != nil {
			return nil, nil, err
		}
		h.Origin = merge.NodeID(origin)
		h.Own = h.Origin == d.s.Author()
		if h.Seq > have[h.Origin].Seq {
			list, rowids = append(list, h), append(rowids, rowid)
			size += length
		}
	}
	return list, rowids, errors.Join(rows.Err(), d.s.waitElsewhere())
}

// Apply merges batches in order. It returns when what it did is durable; the
// vector says how far it came, also when it fails. Batches that are here are
// passed over. A batch that no honest peer sends gives an error that wraps
// wire.ErrInvalid, one whose predecessor is missing wire.ErrGap; what came
// before it stays applied.
func (d *Stream) Apply(ctx context.Context, from merge.NodeID, batches []*wire.Sealed) (merge.Vector, error) {
	v, err := d.s.apply(ctx, d.name, from, batches)
	d.s.failed(ctx, d.name, from, err)
	d.s.troubleHere("apply changes of peers", err)
	return v, err
}

// Seal seals everything that applications have committed so far and returns
// the vector after it.
func (d *Stream) Seal(ctx context.Context) (merge.Vector, error) {
	if err := d.s.Seal(ctx, d.name); err != nil {
		return nil, err
	}
	return d.s.vector(ctx, d.name)
}

// Subscribe returns a channel that gets a signal after batches came to be
// held, by this process or another, and a function that ends it.
func (d *Stream) Subscribe() (<-chan struct{}, func()) { return d.s.grown.subscribe() }

// Seal seals everything that applications have committed so far into batches
// of the dataset, a transaction each, and then merges what waited for tables
// that no longer wait.
func (s *Store) Seal(ctx context.Context, dataset string) error {
	return s.sealAll(ctx, dataset, false)
}

// sealAll is Seal, which may be paced: kept to the dataset's rate.
func (s *Store) sealAll(ctx context.Context, dataset string, paced bool) error {
	of := pace{dataset: dataset}
	late := false
	when := immediately
	for more := true; more; {
		if paced {
			if err := s.ready(ctx, of); err != nil {
				return err
			}
		}
		var sealed int64
		tries := 0
		err := s.transact(ctx, s.rank(dataset).priority, when, func(t *tx) error {
			tries++
			ds, err := t.dataset(dataset)
			if err != nil {
				return err
			}
			if more, err = t.sealSome(ds); err == nil && !more {
				t.mended(ds)
			}
			if sealed, t.followed = t.work.Sealed.Changes, more; err == nil {
				late, err = t.late(ds)
			}
			return err
		})
		if err != nil {
			s.failed(ctx, dataset, merge.NodeID{}, err)
			return fmt.Errorf("seal %s: %w", dataset, err)
		}
		s.spend(of, sealed)
		if when = whenWriting; tries > 1 { // the application is writing: do not read in vain again
			when = immediately
		}
	}
	if late {
		return s.replay(ctx, dataset)
	}
	return s.mend(ctx, dataset)
}

func (s *Store) vector(ctx context.Context, dataset string) (merge.Vector, error) {
	var id int64
	if err := s.get(ctx, &id, `SELECT coalesce((SELECT id FROM sqlsync_dataset WHERE name = ?), 0)`, dataset); err != nil {
		return nil, fmt.Errorf("read vector: %w", err)
	} else if id == 0 {
		return nil, fmt.Errorf("%w: %q", ErrNoDataset, dataset)
	}
	rows, err := s.query(ctx, `SELECT o.key, v.seq, v.hlc, coalesce(g.seq, 0), coalesce(g.before, 0) FROM sqlsync_vector AS v
		JOIN sqlsync_origin AS o ON o.id = v.origin_id LEFT JOIN (`+gaps+`) AS g ON g.origin_id = v.origin_id WHERE v.dataset_id = ?1`, id)
	if err != nil {
		return nil, fmt.Errorf("read vector: %w", err)
	}
	defer rows.Close()
	v := make(merge.Vector)
	for rows.Next() {
		var key []byte
		var c chain
		if err := rows.Scan(&key, &c.Seq, &c.HLC, &c.gap, &c.before); err != nil {
			return nil, fmt.Errorf("read vector: %w", err)
		}
		if p := c.told(); p.Seq > 0 {
			v[merge.NodeID(key)] = p
		}
	}
	return v, rows.Err()
}

// look runs fn with the configuration at hand. It is a write transaction
// because reading the configuration may find capture to be mended.
func (s *Store) look(ctx context.Context, fn func(*tx) error) error { return s.write(ctx, fn) }
