package cdc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// A node that has rows takes a snapshot by ranges: it compares fingerprints of
// versions with the peer, and asks for the rows of ranges that differ. What is
// equal would have been merged without an effect. One that is broken off begins
// anew and finds equal what was merged.

const (
	// askedRanges is how many ranges one question is about, fetchRanges of how
	// many rows are asked for at once.
	askedRanges = 64
	fetchRanges = 256
	// fetchRows is how many rows are had rather than compared further.
	fetchRows = 16
	// maxCompare bounds the ranges that are still to be compared: more than
	// any honest peer divides a table into.
	maxCompare = 1 << 16
)

// reconciliation is how far a snapshot by ranges has come.
type reconciliation struct {
	// tables are those still to be compared, the first of them now.
	tables []wire.TableContents
	// compare and fetch are ranges of the first table, the last ones first.
	compare, fetch []wire.KeyRange
	// rows is how many the peer has in fetch, or more.
	rows uint64
	// effort is of the first table.
	effort effort
	// asked is the question that was put.
	asked wire.Message
}

// Reconcile returns what takes a snapshot of a peer by ranges, step by step. It
// begins with the answer nil, and goes on with what the peer says to the question
// that it returned; no question is the end. The vector is then what the snapshot
// stood for. Where one is better taken whole, the last question is a
// SnapshotRequest, for TakeSnapshot. A step that failed can be made again.
func (d *Stream) Reconcile(peer merge.NodeID) func(ctx context.Context, answer wire.Message) (question wire.Message, err error) {
	var now reconciliation
	return func(ctx context.Context, answer wire.Message) (wire.Message, error) {
		next := reconciliation{tables: now.tables, compare: slices.Clone(now.compare), fetch: slices.Clone(now.fetch), rows: now.rows, effort: now.effort, asked: now.asked}
		question, err := d.reconcile(ctx, &next, peer, answer)
		if errors.Is(err, errTakeWhole) {
			question, err = &wire.SnapshotRequest{}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reconcile %s: %w", d.name, err)
		}
		next.asked = question
		now = next
		return question, nil
	}
}

// beginReconcile asks what there is to compare. A node without rows, one whose
// chains have two ends, and one that is in the middle of a whole snapshot, take
// that.
func (d *Stream) beginReconcile(ctx context.Context, peer merge.NodeID) (question wire.Message, err error) {
	err = d.s.writeIn(ctx, d.name, func(t *tx) error {
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		request, err := t.resumeSnapshot(ds, peer)
		if err != nil {
			return err
		}
		question = request
		if len(request.Cursor) == 0 {
			if err := t.askArrivals(ds, peer); err != nil {
				return err
			}
		}
		if rows, err := t.hasRows(ds); err != nil || !rows || len(request.Cursor) > 0 {
			return err
		}
		question = &wire.ContentsRequest{}
		return t.oneEnd(ds)
	})
	return question, err
}

// hasRows reports whether any table of the dataset has rows, or had some.
func (t *tx) hasRows(ds *dataset) (bool, error) {
	for _, tab := range t.cfg.tables {
		if !tab.takes(ds) || tab.def == nil {
			continue
		}
		if n, err := t.Int(`SELECT EXISTS (SELECT 1 FROM ` + tab.meta() + `)`); err != nil || n != 0 {
			return n != 0, err
		}
	}
	return false, nil
}

func (d *Stream) reconcile(ctx context.Context, r *reconciliation, peer merge.NodeID, answer wire.Message) (wire.Message, error) {
	var err error
	switch m := answer.(type) {
	case nil:
		return d.beginReconcile(ctx, peer)
	case *wire.Contents:
		if _, ok := r.asked.(*wire.ContentsRequest); !ok {
			return nil, outOfPlace(answer)
		}
		r.tables = m.Tables
		if err = d.s.writeIn(ctx, d.name, func(t *tx) error {
			ds, err := t.dataset(d.name)
			if err != nil {
				return err
			}
			for _, c := range m.Tables {
				if tab := t.cfg.byName[schema.Fold(c.Name)]; tab != nil && tab.ds.id == ds.id && !c.Settled {
					return errTakeWhole
				}
			}
			return t.beginSnapshot(ds, peer, m.Heads)
		}); err == nil {
			err = d.beginTable(ctx, r, peer)
		}
	case *wire.Fingerprints:
		q, ok := r.asked.(*wire.FingerprintsRequest)
		if !ok {
			return nil, outOfPlace(answer)
		}
		err = d.sift(ctx, r, q, m)
	case *wire.Ranges:
		q, ok := r.asked.(*wire.RangesRequest)
		if !ok || !schema.Same(m.Table, q.Table) {
			return nil, outOfPlace(answer)
		}
		if err = d.takeRanges(ctx, peer, m); err == nil {
			err = r.took(q, m)
		}
	default:
		return nil, outOfPlace(answer)
	}
	if err != nil {
		return nil, err
	}
	return d.nextQuestion(ctx, r, peer)
}

// errTakeWhole says that a snapshot is to be taken whole: a chain has two ends,
// and equal versions do not stand for equal rows then, or the peer's table is not
// whole itself, or it divides it without an end.
var errTakeWhole = errors.New("a snapshot is to be taken whole")

// oneEnd is errTakeWhole where a chain of the dataset has two.
func (t *tx) oneEnd(ds *dataset) error {
	for _, tab := range t.cfg.tables {
		if tab.ds.id != ds.id {
			continue
		}
		if open, err := t.endsUntold(tab); err != nil {
			return err
		} else if len(open) > 0 {
			return errTakeWhole
		}
	}
	return nil
}

// stillBegun is errTakeWhole where a snapshot was abandoned half way.
func (t *tx) stillBegun(ds *dataset, peer merge.NodeID) error {
	begun, err := t.begun(ds, peer)
	if err == nil && !begun {
		err = errTakeWhole
	}
	return err
}

func outOfPlace(m wire.Message) error { return fmt.Errorf("%w: %T out of place", wire.ErrInvalid, m) }

// question asks for rows of the first table when there are enough to be asked for,
// and compares on; it is nil when all of the table was compared.
func (r *reconciliation) question(aspect wire.Aspect, columns []string) wire.Message {
	name := r.tables[0].Name
	if n := len(r.fetch); n > 0 && (len(r.compare) == 0 || n >= fetchRanges || r.rows >= snapshotRows) {
		return &wire.RangesRequest{Table: name, Ranges: slices.Clone(r.fetch[:min(n, fetchRanges)])}
	}
	if n := len(r.compare); n > 0 {
		return &wire.FingerprintsRequest{Aspect: aspect, Table: name, Columns: columns, Ranges: slices.Clone(r.compare[max(0, n-askedRanges):])}
	}
	return nil
}

// nextQuestion goes on with the comparison; at the end of the last table the
// snapshot is taken.
func (d *Stream) nextQuestion(ctx context.Context, r *reconciliation, peer merge.NodeID) (wire.Message, error) {
	for len(r.tables) > 0 {
		if question := r.question(wire.ByVersions, nil); question != nil {
			return question, nil
		}
		r.tables = r.tables[1:]
		if err := d.beginTable(ctx, r, peer); err != nil {
			return nil, err
		}
	}
	late := false
	err := d.s.writeIn(ctx, d.name, func(t *tx) error {
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		if err := t.oneEnd(ds); err != nil {
			return err
		}
		if err := t.stillBegun(ds, peer); err != nil {
			return err
		}
		if err := t.endSnapshot(ds, peer); err != nil {
			return err
		}
		late, err = t.late(ds) // what waited for sections that are given up
		return err
	})
	if err == nil && late {
		err = d.s.replay(ctx, d.name)
	}
	return nil, err
}

// beginTable begins with the first table left. One that cannot be compared is
// had whole, as far as it is watched here.
func (d *Stream) beginTable(ctx context.Context, r *reconciliation, peer merge.NodeID) error {
	r.compare, r.fetch, r.rows, r.effort = nil, nil, 0, effort{}
	if len(r.tables) == 0 {
		return nil
	}
	return d.s.look(ctx, func(t *tx) error {
		r.compare, r.fetch = nil, nil
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		whole := []wire.KeyRange{{}}
		tab := t.cfg.byName[schema.Fold(r.tables[0].Name)]
		all := false
		if tab != nil {
			if all, err = t.needsWhole(tab); err != nil {
				return err
			}
		}
		switch {
		case tab == nil || !tab.takes(ds):
		case !all && tab.def != nil && tab.waiting == "" && r.tables[0].Keyed && !tab.localIDs():
			r.compare = whole
		default:
			r.fetch = whole
		}
		return t.tell(ds, peer, r.tables[0].Name)
	})
}

// sift compares the peer's fingerprints of ranges with the own. A part that
// differs is compared further, or had if it has few rows or none of it is here.
func (d *Stream) sift(ctx context.Context, r *reconciliation, q *wire.FingerprintsRequest, m *wire.Fingerprints) error {
	parts, err := partsOf(q.Ranges, m, len(r.compare))
	if err != nil {
		return err
	}
	mine, err := d.fingerprints(ctx, &wire.FingerprintsRequest{Aspect: q.Aspect, Table: q.Table, Columns: q.Columns, Ranges: rangesOf(parts)}, 0)
	if err != nil {
		return err
	}
	if !r.effort.spend(mine) {
		return errTakeWhole
	}
	r.compare = r.compare[:len(r.compare)-len(q.Ranges)]
	r.compare = append(r.compare, q.Ranges[len(m.Ranges):]...)
	for i, p := range parts {
		own := &mine.Ranges[i][0]
		switch {
		case own.Rows == p.Rows && own.Sum == p.Sum && (p.Dead == 0 || own.Dead == p.Dead && own.DeadSum == p.DeadSum):
		case own.Rows+own.Dead == 0, p.Rows+p.Dead <= fetchRows, p.whole:
			r.fetch = append(r.fetch, p.KeyRange)
			r.rows += p.Rows + p.Dead
		default:
			r.compare = append(r.compare, p.KeyRange)
		}
	}
	return nil
}

// part is a fingerprint with where it begins. whole says that it is all of a
// range, which cannot be divided then.
type part struct {
	wire.KeyRange
	wire.Fingerprint
	whole bool
}

// partsOf lists the parts of the ranges that were asked for, in their order.
// left is how many ranges are still to be compared.
func partsOf(asked []wire.KeyRange, m *wire.Fingerprints, left int) (list []part, err error) {
	if len(m.Ranges) == 0 || len(m.Ranges) > len(asked) {
		return nil, fmt.Errorf("%w: fingerprints of %d ranges for %d", wire.ErrInvalid, len(m.Ranges), len(asked))
	}
	for i, parts := range m.Ranges {
		if n := len(parts); n == 0 || !bytes.Equal(parts[n-1].To, asked[i].To) {
			return nil, fmt.Errorf("%w: fingerprints that do not end where their range does", wire.ErrInvalid)
		}
		from := asked[i].From
		for _, f := range parts {
			list = append(list, part{wire.KeyRange{From: from, To: f.To}, f, len(parts) == 1})
			from = f.To
		}
	}
	if left+len(list) > maxCompare {
		return nil, fmt.Errorf("%w: a table divided into more than %d ranges", wire.ErrInvalid, maxCompare)
	}
	return list, nil
}

func rangesOf(parts []part) []wire.KeyRange {
	list := make([]wire.KeyRange, len(parts))
	for i, p := range parts {
		list[i] = p.KeyRange
	}
	return list
}

// takeRanges merges the rows of ranges.
func (d *Stream) takeRanges(ctx context.Context, peer merge.NodeID, m *wire.Ranges) error {
	return d.whenSealed(ctx, func(t *tx, ds *dataset) error {
		if err := t.oneEnd(ds); err != nil {
			return err
		}
		if err := t.stillBegun(ds, peer); err != nil {
			return err
		}
		return t.takeParts(ds, peer, m)
	})
}

// takeParts merges rows as a snapshot tells them.
func (t *tx) takeParts(ds *dataset, peer merge.NodeID, m *wire.Ranges) error {
	for _, p := range m.Parts {
		if err := t.takeRows(ds, peer, p); err != nil {
			return err
		}
	}
	if err := t.untold(ds, peer, m.Table, m.Ranges, m.Parts, m.Complete); err != nil {
		return err
	}
	return t.finishMerge()
}

// took takes what has come off what is to be had.
func (r *reconciliation) took(q *wire.RangesRequest, m *wire.Ranges) error {
	n := len(m.Ranges)
	if n == 0 || n > len(q.Ranges) {
		return fmt.Errorf("%w: rows of %d ranges for %d", wire.ErrInvalid, n, len(q.Ranges))
	}
	for i, got := range m.Ranges {
		want := q.Ranges[i]
		if !bytes.Equal(got.From, want.From) || i < n-1 && !bytes.Equal(got.To, want.To) || len(got.To) == 0 && len(want.To) > 0 {
			return fmt.Errorf("%w: rows of other ranges", wire.ErrInvalid)
		}
	}
	if last := m.Ranges[n-1]; !bytes.Equal(last.To, q.Ranges[n-1].To) {
		n--
		if bytes.Equal(last.From, last.To) {
			return fmt.Errorf("%w: rows of no range", wire.ErrInvalid)
		}
		r.fetch[n].From = last.To
	}
	if r.fetch = r.fetch[n:]; len(r.fetch) == 0 {
		r.fetch, r.rows = nil, 0
	}
	return nil
}
