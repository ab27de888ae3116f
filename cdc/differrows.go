package cdc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"sqlsync/wire"
)

// suspect notes the keys in a part in which the peer has one row, or none.
func (f *differ) suspect(ctx context.Context, c *compared, p *part) error {
	if p.Single {
		f.suspects = append(f.suspects, p.Fingerprint.To)
	}
	for r, more := p.KeyRange, true; more; {
		keys, err := f.keysIn(ctx, c.name, r)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(keys, func(k []byte) bool { return len(k) > boundBytes }) {
			return f.whole(ctx, c, p.KeyRange)
		}
		f.suspects = append(f.suspects, keys...)
		if more = len(keys) == askedKeys; more {
			r.From = keys[len(keys)-1]
		}
		if len(f.suspects) >= askedKeys {
			if err := f.check(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// keysIn are the first keys of the rows in a range.
func (f *differ) keysIn(ctx context.Context, table string, r wire.KeyRange) (keys [][]byte, err error) {
	for {
		at, err := f.s.watchedTables(ctx)
		if err != nil {
			return nil, err
		}
		tab, err := f.tableAt(at, table)
		if err != nil {
			return nil, err
		}
		keys = nil
		c := tab.scanKeys()
		c.end = func(int) error { return nil }
		c.row = func(_ *tx, row []any) error {
			if keys = append(keys, wire.AppendRow(nil, row)); len(keys) == askedKeys {
				return errEnough
			}
			return nil
		}
		if err := c.run(ctx, f.s, at, []wire.KeyRange{r}); !errors.Is(err, errMoved) {
			if errors.Is(err, errEnough) {
				err = nil
			}
			return keys, err
		}
	}
}

var (
	// errEnough ends a scan that has found as much as was asked for.
	errEnough = errors.New("enough rows")
	// errUnsettled ends a comparison of nodes that are not in step.
	errUnsettled = errors.New("too many rows are on their way")
)

// check asks both sides what the suspects hold.
func (f *differ) check(ctx context.Context, c *compared) error {
	for len(f.suspects) > 0 {
		n := min(c.most(), len(f.suspects))
		list, err := f.look(ctx, c, f.suspects[:n])
		if err != nil {
			return err
		}
		f.suspects = f.suspects[n:]
		for i := range list {
			u := &list[i]
			if u.hereAt.Covers(u.thereAt) && u.thereAt.Covers(u.hereAt) {
				err = f.tell(u)
			} else if f.unsettled = append(f.unsettled, *u); len(f.unsettled) > maxUnsettled {
				err = errUnsettled
			}
			if err != nil {
				return err
			}
		}
	}
	f.suspects = nil
	return nil
}

// most is how many rows a question may be about.
func (c *compared) most() int { return max(1, min(askedKeys, askedHashes/max(1, len(c.columns)))) }

// look reads rows on both sides and returns those that differ, each once
// however its key is spelled.
func (f *differ) look(ctx context.Context, c *compared, keys [][]byte) (list []unsettled, err error) {
	q := &wire.StatesRequest{Table: c.name, Columns: c.columns, Keys: keys}
	there, err := ask[*wire.States](ctx, f, q)
	if err != nil {
		return nil, err
	}
	if len(there.Rows) != len(keys) {
		return nil, fmt.Errorf("%w: states of %d rows for %d", wire.ErrInvalid, len(there.Rows), len(keys))
	}
	here, spelled, err := f.statesOf(ctx, q)
	if err != nil {
		return nil, err
	}
	f.result.Here, f.result.There = here.Vector, there.Vector
	seen := make(map[string]bool)
	for i, key := range keys {
		if spelled[i] != nil {
			key = spelled[i]
		}
		if seen[string(key)] || sameState(here.Rows[i], there.Rows[i]) {
			continue
		}
		seen[string(key)] = true
		list = append(list, unsettled{c, key, here.Rows[i], there.Rows[i], here.Vector, there.Vector})
	}
	return list, nil
}

func sameState(a, b wire.RowState) bool { return a.Here == b.Here && bytes.Equal(a.Hashes, b.Hashes) }

// tell reports a row that differs.
func (f *differ) tell(u *unsettled) error {
	key, err := wire.DecodeRow(u.key)
	if err != nil {
		return err
	}
	diff := Difference{Kind: Differs}
	for i, v := range key {
		diff.Key = append(diff.Key, NamedValue{u.of.key[min(i, len(u.of.key)-1)], v})
	}
	switch {
	case !u.here.Here:
		diff.Kind = MissingHere
	case !u.there.Here:
		diff.Kind = MissingThere
	default:
		for i, name := range u.of.columns {
			if hashAt(u.here, i) != hashAt(u.there, i) {
				diff.Columns = append(diff.Columns, name)
			}
		}
	}
	return f.found(u.of, diff)
}

func hashAt(s wire.RowState, i int) uint64 {
	if b := s.Hashes[min(wire.StateHash*i, len(s.Hashes)):]; len(b) >= wire.StateHash {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// settle looks again at rows that differed while something was on its way. One
// that has not changed on either side, although each has had by now what the
// other had then, differs.
func (f *differ) settle(ctx context.Context) error {
	pause := firstLook
	for try := 0; try < differTries && len(f.unsettled) > 0; try++ {
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause *= 2
		before := f.unsettled
		f.unsettled = nil
		for len(before) > 0 {
			of := before[0].of
			n := 1
			for n < len(before) && n < of.most() && before[n].of == of {
				n++
			}
			if err := f.again(ctx, of, before[:n]); err != nil {
				return err
			}
			before = before[n:]
		}
	}
	return nil
}

func (f *differ) again(ctx context.Context, of *compared, before []unsettled) error {
	then := make(map[string]*unsettled, len(before))
	keys := make([][]byte, len(before))
	for i := range before {
		keys[i] = before[i].key
		then[string(before[i].key)] = &before[i]
	}
	list, err := f.look(ctx, of, keys)
	if err != nil {
		return err
	}
	for i := range list {
		u := &list[i]
		was := then[string(u.key)]
		switch {
		case was != nil && sameState(was.here, u.here) && sameState(was.there, u.there):
			if u.hereAt.Covers(was.thereAt) && u.thereAt.Covers(was.hereAt) {
				if err := f.tell(u); err != nil {
					return err
				}
				continue
			}
			f.unsettled = append(f.unsettled, *was)
		default:
			f.unsettled = append(f.unsettled, *u)
		}
	}
	return nil
}
