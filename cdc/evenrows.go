package cdc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// tale is a row as a snapshot tells it.
type tale struct {
	key []wire.Value
	// lines are its changes spelled out, in an order that is the same on all
	// nodes; alive says that one of them is an insert.
	lines []string
	alive bool
	// im is the row as it is, latest the last version in it.
	im     image
	latest merge.Version
}

func (s *tale) text() string {
	slices.Sort(s.lines)
	return strings.Join(s.lines, "\n")
}

// tales gathers what changes tell of rows, by listedKey, of the columns that both
// sides have.
type tales struct {
	tab   *table
	rows  map[string]*tale
	names map[string]bool // folded; nil for all
}

func (l *tales) add(origin merge.NodeID, columns []string, c *wire.Change) {
	id := string(l.tab.listedKey(c.Key))
	r := l.rows[id]
	if r == nil {
		r = &tale{key: c.Key}
		l.rows[id] = r
	}
	type named struct {
		name  string
		value wire.Value
	}
	var values []named
	for i, v := range c.Values {
		place := i
		if c.Op == merge.Update {
			place = c.Columns[i]
		}
		name := columns[place]
		if c.Op == merge.Insert && !isShadow(name) {
			r.im = append(r.im, imageCell{name, v})
		}
		if plain, _, _ := strings.Cut(name, "\x00"); isShadow(name) && v == nil || l.names != nil && !l.names[schema.Fold(plain)] {
			continue
		}
		values = append(values, named{schema.Fold(name), v})
	}
	slices.SortFunc(values, func(a, b named) int { return cmp.Compare(a.name, b.name) })
	b := fmt.Appendf(nil, "%d %t ", c.Op, c.Baseline)
	b = appendVersion(appendVersion(b, c.BirthAt(origin)), c.Version(origin))
	for _, v := range values {
		b = wire.AppendRow(b, []wire.Value{v.name, v.value})
	}
	r.lines = append(r.lines, string(b))
	if v := c.Version(origin); c.Op == merge.Insert {
		r.alive = true
		if b := c.BirthAt(origin); b.After(r.latest) || r.latest.IsZero() {
			r.latest = b
		}
	} else if v.After(r.latest) || r.latest.IsZero() {
		r.latest = v
	}
}

// evenRanges compares the peer's rows of ranges with those that are here, and
// states again what differs.
func (d *Stream) evenRanges(ctx context.Context, e *evening, m *wire.Ranges) error {
	open := false
	err := d.whenSealed(ctx, func(t *tx, ds *dataset) (err error) {
		tab := t.cfg.byName[schema.Fold(m.Table)]
		if tab == nil || tab.def == nil || tab.ds.id != ds.id || tab.waiting != "" || tab.appends() {
			open = true
			return nil
		}
		if err := t.oneEnd(ds); errors.Is(err, errTakeWhole) {
			open = true
			return nil
		} else if err != nil {
			return err
		}
		ev := &evener{tx: t, ds: ds, tab: tab, heads: e.heads}
		open, err = ev.even(m)
		return err
	})
	e.open = e.open || open
	return err
}

// evener compares rows of one table in one transaction.
type evener struct {
	*tx
	ds    *dataset
	tab   *table
	heads merge.Vector
	parts []*wire.Batch
}

// even reports whether a row that differs has been written since the peer read
// its rows: then that is still to be seen.
func (ev *evener) even(m *wire.Ranges) (open bool, err error) {
	theirs, mine, err := ev.bothTales(m)
	if err != nil {
		return false, err
	}
	touched, all, err := ev.touchedSince()
	if err != nil {
		return false, err
	}
	differ := make(map[string]bool)
	for id, r := range theirs {
		if own := mine[id]; own != nil && own.text() != r.text() || own == nil && r.alive {
			differ[id] = true
		}
	}
	for id, r := range mine {
		if theirs[id] == nil && r.alive {
			differ[id] = true
		}
	}
	for id := range differ {
		if all || touched[id] {
			open = true
			delete(differ, id)
		}
	}
	if len(differ) == 0 {
		return open, nil
	}
	return open, ev.restateRows(differ, mine, theirs)
}

// bothTales reads the rows of the ranges as the peer tells them and as this node
// would.
func (ev *evener) bothTales(m *wire.Ranges) (theirs, mine map[string]*tale, err error) {
	own := tales{tab: ev.tab, rows: make(map[string]*tale)}
	told := tales{tab: ev.tab, rows: make(map[string]*tale)}
	for _, p := range m.Parts {
		b, err := p.Open(wire.Limits{})
		if err != nil {
			return nil, nil, err
		}
		ev.parts = append(ev.parts, b)
		for i := range b.Sections {
			sec := &b.Sections[i]
			if !schema.Same(sec.Table, ev.tab.name) || !ev.tab.keyFits(sec) {
				return nil, nil, fmt.Errorf("%w: rows of another table", wire.ErrInvalid)
			}
			if own.names == nil {
				own.names = foldedNames(sec.Columns)
				told.names = foldedNames(ev.tab.cellNames())
			}
			for j := range sec.Changes {
				told.add(b.Header.Origin, sec.Columns, &sec.Changes[j])
			}
		}
	}
	chains, err := ev.chains(ev.ds)
	if err != nil {
		return nil, nil, err
	}
	columns := slices.Concat(ev.tab.cellNames(), ev.tab.shadowNames(), ev.tab.wholeNames())
	for _, r := range m.Ranges {
		from, to, err := keyBounds(r, len(ev.tab.key))
		for more := true; more && err == nil; more = from != nil {
			s := ev.newSnapshot(ev.ds, ev.tab, chains)
			if from, err = s.read(from, to); err != nil {
				break
			}
			for _, byOrigin := range s.ops {
				for origin, changes := range byOrigin {
					for i := range changes {
						own.add(origin, columns, &changes[i])
					}
				}
			}
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return told.rows, own.rows, nil
}

func foldedNames(names []string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[schema.Fold(n)] = true
	}
	return m
}

// touchedSince are the keys of rows that batches have changed which the peer did
// not have, or may not have had, when it read its rows. all says that it cannot be
// told which. What the peer had must be here.
func (ev *evener) touchedSince() (touched map[string]bool, all bool, err error) {
	upTo := make(map[[8]byte]merge.HLC)
	if len(ev.parts) > 0 {
		for _, h := range ev.parts[0].Header.Seen {
			upTo[h.Origin] = h.HLC
		}
	} else { // it told no rows: then it has none of which it had a change
		for origin, p := range ev.heads {
			upTo[[8]byte(origin[:8])] = p.HLC
		}
	}
	chains, err := ev.chains(ev.ds)
	if err != nil {
		return nil, false, err
	}
	here := make(map[[8]byte]merge.HLC, len(chains))
	for origin, c := range chains {
		here[[8]byte(origin[:8])] = c.HLC
	}
	for origin, at := range upTo {
		if here[origin] < at {
			return nil, false, errNotYet
		}
	}
	touched = make(map[string]bool)
	for origin, c := range chains {
		had := upTo[[8]byte(origin[:8])]
		if c.HLC <= had {
			continue
		}
		complete, err := ev.touchedBy(origin, had, touched)
		if err != nil || !complete {
			return nil, true, err
		}
	}
	return touched, false, nil
}

// touchedBy adds the keys that an origin's batches after a time have changed. It
// reports whether all of them are kept, and not damaged.
func (ev *evener) touchedBy(origin merge.NodeID, after merge.HLC, touched map[string]bool) (complete bool, err error) {
	id, err := ev.origin(origin)
	if err != nil {
		return false, err
	}
	pruned, err := ev.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_checkpoint WHERE dataset_id = ? AND origin_id = ? AND hlc > ?)`, ev.ds.id, id, int64(after))
	if err != nil || pruned != 0 {
		return false, err
	}
	var blobs [][]byte
	err = ev.Query(func(row []any) error {
		if row[0].(int64) <= int64(after) {
			return sqlconn.Stop
		}
		blobs = append(blobs, row[1].([]byte))
		return nil
	}, `SELECT last, sealed FROM sqlsync_batch WHERE dataset_id = ? AND origin_id = ? ORDER BY seq DESC`, ev.ds.id, id)
	if err != nil {
		return false, err
	}
	for _, blob := range blobs {
		sealed, err := ev.s.parseHeld(blob)
		if err != nil {
			return false, nil
		}
		if sealed, err = ev.s.revealed(sealed); err != nil {
			return false, err
		}
		_, heads, err := sealed.Header()
		if err != nil {
			return false, err
		}
		for i, head := range heads {
			if !schema.Same(head.Table, ev.tab.name) || sealed.Sections[i] == nil {
				continue
			}
			sec, err := sealed.OpenSection(i, wire.Limits{})
			if err != nil {
				return false, err
			}
			for j := range sec.Changes {
				touched[string(ev.tab.listedKey(sec.Changes[j].Key))] = true
			}
		}
	}
	return true, nil
}
