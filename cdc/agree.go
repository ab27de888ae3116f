package cdc

import (
	"context"
	"errors"
	"fmt"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// Offers lists the watched tables of the dataset as a peer needs to know them.
func (d *Stream) Offers(ctx context.Context) ([]wire.TableOffer, error) {
	if err := d.ArriveLate(ctx); err != nil {
		return nil, err
	}
	var list []wire.TableOffer
	err := d.s.look(ctx, func(t *tx) error {
		list = nil
		for _, tab := range t.cfg.tables {
			if tab.ds.name == d.name && tab.def != nil {
				o := wire.TableOffer{Name: tab.name, Policy: tab.policyText(), Fingerprint: tab.fingerprint(), Shape: schema.Shape(tab.def), Renamed: tab.tellRenamed()}
				var err error
				if o.Arrivals, err = t.tellArrivals(tab); err != nil {
					return err
				}
				list = append(list, o)
			}
		}
		return nil
	})
	return list, err
}

// Reoffers returns a channel that gets a signal when Offers may have something
// else to say, and a function that ends it.
func (d *Stream) Reoffers() (<-chan struct{}, func()) { return d.s.reconfigured.subscribe() }

// Agree compares a peer's offers with the tables here. One that the two watch
// in ways that cannot be merged waits, alone; one that the peer has and this
// node has not is noted. wantsSchema asks for the peer's schema, because the
// dataset follows it and something of it is not here.
func (d *Stream) Agree(ctx context.Context, peer merge.NodeID, offers []wire.TableOffer) (wantsSchema bool, err error) {
	err = d.s.write(ctx, func(t *tx) error {
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		wantsSchema = false
		changed := false
		for _, tab := range t.cfg.tables {
			if tab.ds.id != ds.id || tab.def == nil {
				continue
			}
			news, err := t.compareOffer(tab, peer, offers)
			if err != nil {
				return err
			}
			changed = changed || news
			if err := t.noteShape(tab, peer, offers); err != nil {
				return err
			}
		}
		absent, err := t.noteAbsent(ds, peer, offers)
		if err != nil {
			return err
		}
		if ds.follows {
			wantsSchema = absent || t.shapesDiffer(offers)
		}
		if changed {
			return t.changed()
		}
		return nil
	})
	return wantsSchema, err
}

// compareOffer notes whether a table waits for a peer, and what its columns were
// called there, and reports whether that is news.
func (t *tx) compareOffer(tab *table, peer merge.NodeID, offers []wire.TableOffer) (news bool, err error) {
	var reason string
	for _, o := range offers {
		if !equalNames(o.Name, tab.name) {
			continue
		}
		if news, err = t.learnRenamed(tab, o.Renamed); err != nil {
			return false, err
		}
		switch {
		case o.Fingerprint != tab.fingerprint():
			reason = fmt.Sprintf("its key is another on node %s; give it the same key on both", peer)
		case o.Policy != tab.policyText():
			reason = fmt.Sprintf("it merges by %q here and by %q on node %s; watch it with the same policies on both", tab.policyText(), o.Policy, peer)
		}
	}
	if reason == "" {
		agreed, err := t.agree(tab, peer, disagreeWatch)
		return news || agreed, err
	}
	known, err := t.Int(`SELECT count(*) FROM sqlsync_disagreement WHERE table_id = ? AND node = ? AND kind = ? AND reason = ?`,
		tab.id, peer[:], disagreeWatch, reason)
	if err != nil || known > 0 {
		return news, err
	}
	return true, t.disagree(tab, peer, disagreeWatch, reason)
}

// noteAbsent notes the tables that a peer offers and that are not watched
// here in this dataset, or not any more, for status.
func (t *tx) noteAbsent(ds *dataset, peer merge.NodeID, offers []wire.TableOffer) (absent bool, err error) {
	if _, err := t.Exec(`DELETE FROM sqlsync_absent WHERE node = ? AND dataset_id = ?`, peer[:], ds.id); err != nil {
		return false, err
	}
	for _, o := range offers {
		tab := t.cfg.byName[schema.Fold(o.Name)]
		if tab != nil && tab.ds.id == ds.id {
			continue
		}
		if _, err := t.Exec(`INSERT OR IGNORE INTO sqlsync_absent (node, dataset_id, name) VALUES (?, ?, ?)`, peer[:], ds.id, o.Name); err != nil {
			return false, fmt.Errorf("note a table that is not here: %w", err)
		}
		absent = absent || tab == nil
	}
	return absent, nil
}

func (t *tx) shapesDiffer(offers []wire.TableOffer) bool {
	for _, o := range offers {
		if tab := t.cfg.byName[schema.Fold(o.Name)]; tab != nil && tab.def != nil && schema.Shape(tab.def) != o.Shape {
			return true
		}
	}
	return false
}

// Adopt creates the tables and adds the columns that a peer has and this node
// has not, if the dataset follows its peers' schemas. What cannot be made is
// told in status, and stops nothing.
func (d *Stream) Adopt(ctx context.Context, peer merge.NodeID, from *wire.Schema) error {
	for _, ts := range from.Tables {
		var failed error
		err := d.s.write(ctx, func(t *tx) error {
			ds, err := t.dataset(d.name)
			if err != nil || !ds.follows {
				return err
			}
			failed = t.adopt(ds, ts)
			return failed
		})
		if failed != nil && ctx.Err() == nil && !errors.Is(err, ErrLocked) {
			d.s.log.Warn("cannot follow a peer's schema", "table", ts.Name, "peer", peer.String(), "err", failed)
			continue
		}
		if err != nil {
			return fmt.Errorf("follow schema: %w", err)
		}
	}
	return d.s.Seal(ctx, d.name)
}

func (t *tx) adopt(ds *dataset, ts wire.TableSchema) error {
	tab := t.cfg.byName[schema.Fold(ts.Name)]
	if tab == nil {
		_, err := schema.Load(t.ctx, t.Conn, ts.Name)
		var missing *schema.NoTable
		if errors.As(err, &missing) {
			_, err = t.create(ds.name, ts)
		}
		return err // a table that is here and not watched is the user's choice
	}
	if tab.def == nil || len(ts.Create) == 0 {
		return nil
	}
	added := false
	for _, name := range schema.ColumnNames(ts.Create[0]) {
		if tab.def.Has(name) {
			continue
		}
		text := schema.ColumnText(ts.Create[0], name)
		if err := t.foreign(tab.name, `ALTER TABLE main.`+schema.Quote(tab.name)+` ADD COLUMN `+text); err != nil {
			return fmt.Errorf("add column %s: %w", name, err)
		}
		added = true
	}
	if !added {
		return nil
	}
	return t.changed()
}
