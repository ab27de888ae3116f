package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// A table that is uneven is compared with a peer's by ranges, first how its rows
// came about and then what they hold. A row that differs is joined with the
// peer's and stated again: as an ordinary new change of this node's, of a new
// incarnation, which says all of the row, whatever any policy kept of it, and
// comes to all others by the chain. What the two sides hold then is the same, and
// stays so: whatever was merged by another policy, one had when it was compared,
// and what comes later is merged by the same policy on both.

// errNotYet says that changes which a peer had when it answered have still to
// be applied here: the step is to be made again then.
var errNotYet = errors.New("what the peer has is not applied yet")

// NotYet reports whether an error of Even's says that the same answer is to be
// taken again, when more was applied.
func (d *Stream) NotYet(err error) bool { return errors.Is(err, errNotYet) }

// evening is how far a comparison with a peer has come.
type evening struct {
	reconciliation
	// uneven are the tables that are to be compared, by folded name.
	uneven map[string]uneven
	// heads are the ends of the peer's chains from before anything else it tells.
	heads merge.Vector
	// aspect is what is compared now of the first table, and of which columns.
	aspect  wire.Aspect
	columns []string
	// open says that something of the first table is still to be compared.
	open bool
}

// Even returns what compares tables that are uneven with a peer's, step by step, as
// Reconcile does it; no question is the end. Uneven says then whether something is
// left, because it was being changed.
func (d *Stream) Even(peer merge.NodeID) func(ctx context.Context, answer wire.Message) (question wire.Message, err error) {
	var now evening
	return func(ctx context.Context, answer wire.Message) (wire.Message, error) {
		next := now
		next.compare, next.fetch = slices.Clone(now.compare), slices.Clone(now.fetch)
		question, err := d.evenStep(ctx, &next, peer, answer)
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", d.name, err)
		}
		next.asked = question
		now = next
		return question, nil
	}
}

func (d *Stream) evenStep(ctx context.Context, e *evening, peer merge.NodeID, answer wire.Message) (wire.Message, error) {
	var err error
	switch m := answer.(type) {
	case nil:
		return d.beginEven(ctx, e, peer)
	case *wire.Contents:
		if _, ok := e.asked.(*wire.ContentsRequest); !ok {
			return nil, outOfPlace(answer)
		}
		err = d.chooseUneven(ctx, e, m)
	case *wire.Fingerprints:
		q, ok := e.asked.(*wire.FingerprintsRequest)
		if !ok {
			return nil, outOfPlace(answer)
		}
		if err = d.sift(ctx, &e.reconciliation, q, m); errors.Is(err, errTakeWhole) {
			e.compare, e.fetch, e.open, err = nil, nil, true, nil
		}
	case *wire.Ranges:
		q, ok := e.asked.(*wire.RangesRequest)
		if !ok || !schema.Same(m.Table, q.Table) {
			return nil, outOfPlace(answer)
		}
		if err = e.took(q, m); err == nil {
			err = d.evenRanges(ctx, e, m)
		}
	default:
		return nil, outOfPlace(answer)
	}
	if err != nil {
		return nil, err
	}
	return d.nextEven(ctx, e, peer)
}

func (d *Stream) beginEven(ctx context.Context, e *evening, peer merge.NodeID) (question wire.Message, err error) {
	err = d.s.look(ctx, func(t *tx) error {
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		list, err := t.unevenWith(ds, peer)
		if err != nil {
			return err
		}
		e.uneven = make(map[string]uneven, len(list))
		for _, u := range list {
			e.uneven[schema.Fold(u.name)] = u
		}
		return nil
	})
	if len(e.uneven) > 0 {
		question = &wire.ContentsRequest{}
	}
	return question, err
}

// chooseUneven keeps of the peer's tables those that can be compared now: all
// that either side has merged by another policy is there on both.
func (d *Stream) chooseUneven(ctx context.Context, e *evening, m *wire.Contents) error {
	e.heads = vectorOf(m.Heads)
	err := d.s.look(ctx, func(t *tx) error {
		e.tables = nil
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		chains, err := t.chains(ds)
		if err != nil {
			return err
		}
		if !chains.vector().Covers(e.heads) {
			return errNotYet
		}
		for _, c := range m.Tables {
			u, ok := e.uneven[schema.Fold(c.Name)]
			tab := t.cfg.byName[schema.Fold(c.Name)]
			if !ok || tab == nil || tab.def == nil || tab.ds.id != ds.id || tab.appends() || !c.Settled || !c.Keyed || !e.heads.Covers(u.since) {
				continue
			}
			if whole, err := t.whole(tab); err != nil {
				return err
			} else if whole {
				c.Columns = slices.DeleteFunc(tab.comparable(), func(name string) bool {
					return !slices.ContainsFunc(c.Columns, func(n string) bool { return schema.Same(n, name) })
				})
				e.tables = append(e.tables, c)
			}
		}
		return nil
	})
	if err == nil {
		e.beginAspect(wire.ByVersions)
	}
	return err
}

// beginAspect begins to compare the first table left in one aspect.
func (e *evening) beginAspect(aspect wire.Aspect) {
	e.aspect, e.columns = aspect, nil
	e.compare, e.fetch, e.rows, e.effort = nil, nil, 0, effort{}
	if len(e.tables) == 0 {
		return
	}
	if aspect == wire.ByValues {
		e.columns = e.tables[0].Columns
	}
	e.compare = []wire.KeyRange{{}}
}

// nextEven goes on with the comparison, of values where versions are the same.
func (d *Stream) nextEven(ctx context.Context, e *evening, peer merge.NodeID) (wire.Message, error) {
	for len(e.tables) > 0 {
		name := e.tables[0].Name
		if question := e.question(e.aspect, e.columns); question != nil {
			return question, nil
		}
		if e.aspect == wire.ByVersions && !e.open {
			e.beginAspect(wire.ByValues)
			continue
		}
		if !e.open {
			if err := d.isEven(ctx, peer, e.uneven[schema.Fold(name)]); err != nil {
				return nil, err
			}
		}
		e.tables, e.open = e.tables[1:], false
		e.beginAspect(wire.ByVersions)
	}
	return nil, nil
}

// isEven notes that a table was compared with a peer.
func (d *Stream) isEven(ctx context.Context, peer merge.NodeID, u uneven) error {
	return d.s.write(ctx, func(t *tx) error {
		tab := t.cfg.byName[schema.Fold(u.name)]
		if tab == nil {
			return nil
		}
		return t.isEven(tab.id, peer[:], u.times)
	})
}
