package cdc

import (
	"context"
	"errors"
	"fmt"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// A dataset may be private: its batches are encrypted with a key that its
// members share and that is kept beside the database, not in it. A node without
// the key verifies the chains, holds the batches and passes them on, whole,
// since it cannot tell tables apart; it watches no table of the dataset and seals
// nothing in it. What is in clear is not taken in a private dataset, nor what is
// private in one that is in clear here.

// ErrNoDatasetKey says that a dataset is private and its key is not here.
var ErrNoDatasetKey = errors.New("the dataset is private and its key is not here")

// ErrInClear says that a dataset cannot be made private any more.
var ErrInClear = errors.New("the dataset has batches or tables in clear")

// datasetKeys returns the keys of a private dataset, ErrNoDatasetKey without any.
func (s *Store) datasetKeys(dataset string) ([]wire.DatasetKey, error) {
	if s.keysOf == nil {
		return nil, fmt.Errorf("%w: %q", ErrNoDatasetKey, dataset)
	}
	keys, err := s.keysOf(dataset)
	if err == nil && len(keys) == 0 {
		err = fmt.Errorf("%w: %q", ErrNoDatasetKey, dataset)
	}
	return keys, err
}

// datasetKey returns the one that is used now.
func (s *Store) datasetKey(dataset string) (*wire.DatasetKey, error) {
	keys, err := s.datasetKeys(dataset)
	if err != nil {
		return nil, err
	}
	return &keys[len(keys)-1], nil
}

// revealed returns a batch that can be opened: of a private one what it encrypts,
// ErrNoDatasetKey without the key.
func (s *Store) revealed(b *wire.Sealed) (*wire.Sealed, error) {
	if !b.Private() {
		return b, nil
	}
	h, _, err := b.Header()
	if err != nil {
		return nil, err
	}
	keys, err := s.datasetKeys(h.Dataset)
	if err != nil {
		return nil, err
	}
	return b.Reveal(keys)
}

// canSeal is ErrNoDatasetKey where tables of a dataset could not be sealed.
func (t *tx) canSeal(ds *dataset) error {
	if !ds.private {
		return nil
	}
	_, err := t.s.datasetKey(ds.name)
	return err
}

// hidden is the private dataset that a table is in, or was when it was watched
// last, "" if it is in clear.
func (t *tx) hidden(table string) (dataset string, err error) {
	err = t.Query(func(row []any) error {
		dataset = row[0].(string)
		return nil
	}, `SELECT d.name FROM sqlsync_table AS t JOIN sqlsync_dataset AS d ON d.id = t.dataset_id WHERE t.name = ? COLLATE NOCASE AND d.private`, table)
	return dataset, err
}

// mayReveal refuses to put a private table into clear without consent.
func (t *tx) mayReveal(table string, o WatchOptions) error {
	if o.InClear {
		return nil
	}
	from, err := t.hidden(table)
	if err != nil || from == "" {
		return err
	}
	if ds, err := t.dataset(o.Dataset); err == nil && ds.private {
		return nil
	}
	return &schema.Refusal{Table: table, Cause: fmt.Sprintf("it is private in dataset %s, and %s is in clear: whoever holds or passes that on could read it", from, o.Dataset),
		Remedy: fmt.Sprintf("name a private dataset, or --dataset %s --yes if that is meant", o.Dataset)}
}

// sealBatch makes what is stored and sent of a batch of this node's.
func (t *tx) sealBatch(ds *dataset, b *wire.Batch) (*wire.Sealed, error) {
	if !ds.private {
		return wire.Seal(b, t.author.Sign)
	}
	key, err := t.s.datasetKey(ds.name)
	if err != nil {
		return nil, err
	}
	return wire.SealPrivate(b, key, t.author.Sign)
}

// checkPrivate refuses a batch that does not fit whether the dataset is private. The
// first private one tells a node without tables in the dataset that it is.
func (t *tx) checkPrivate(ds *dataset, o *opened) error {
	h := &o.header
	switch private := o.sealed.Private(); {
	case !private && ds.private:
		return fmt.Errorf("%w: batch %d of %v is in clear and dataset %q private", wire.ErrInvalid, h.Seq, h.Origin, ds.name)
	case !private:
		return nil
	}
	own, err := t.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_table WHERE dataset_id = ? AND watched)`, ds.id)
	switch {
	case err != nil:
		return err
	case !ds.private && own != 0:
		return fmt.Errorf("%w: batch %d of %v is private and dataset %q is in clear here", wire.ErrInvalid, h.Seq, h.Origin, ds.name)
	case o.unread && own != 0: // the key was there once
		return fmt.Errorf("%w: %q", ErrNoDatasetKey, ds.name)
	case ds.private:
		return nil
	}
	return t.makePrivate(ds)
}

func (t *tx) makePrivate(ds *dataset) error {
	if _, err := t.Exec(`UPDATE sqlsync_dataset SET private = 1 WHERE id = ?`, ds.id); err != nil {
		return fmt.Errorf("make dataset private: %w", err)
	}
	ds.private = true
	return t.changed()
}

// used reports whether something of a dataset was sealed, or may be.
func (t *tx) used(ds *dataset) (bool, error) {
	n, err := t.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_vector WHERE dataset_id = ?1)
		OR EXISTS (SELECT 1 FROM sqlsync_table WHERE dataset_id = ?1 AND watched)`, ds.id)
	return n != 0, err
}

// MakePrivate makes a dataset private, which is made where there is none. Its key
// is to be there already; a node without one holds its batches and passes them
// on. ErrInClear says that something of it was sealed, or may be, in clear.
func (s *Store) MakePrivate(ctx context.Context, dataset string) error {
	return s.write(ctx, func(t *tx) error {
		ds, err := t.dataset(dataset)
		if errors.Is(err, ErrNoDataset) {
			ds, err = t.addDataset(dataset)
		}
		if err != nil || ds.private {
			return err
		}
		used, err := t.used(ds)
		if err != nil {
			return err
		}
		if used {
			return fmt.Errorf("%w: %q", ErrInClear, dataset)
		}
		return t.makePrivate(ds)
	})
}

// Membership says whether a dataset is private, and if this node has its key,
// what it shows a peer that it has it, and what the peer shows if it has it, too.
func (d *Stream) Membership(ctx context.Context, peer merge.NodeID) (private bool, own, peers *wire.Proof, err error) {
	if err := d.s.get(ctx, &private, `SELECT EXISTS (SELECT 1 FROM sqlsync_dataset WHERE name = ? AND private)`, d.name); err != nil || !private {
		return false, nil, nil, err
	}
	key, err := d.s.datasetKey(d.name)
	if errors.Is(err, ErrNoDatasetKey) {
		return true, nil, nil, nil
	}
	if err != nil {
		return true, nil, nil, err
	}
	mine, theirs := key.Proof(d.name, d.s.node), key.Proof(d.name, peer)
	return true, &mine, &theirs, nil
}
