package main

import (
	"context"
	"slices"

	"sqlsync/cdc"
	"sqlsync/merge"
)

// preference settles which row stands where two nodes had different ones before
// they met. By the rules of merging it is that of who watched the table first,
// everywhere; where that is not the preferred side, the row that lost is written
// again: an ordinary, later update.
type preference struct {
	store *cdc.Store
	mine  bool
	// before are conflicts from earlier meetings.
	before map[string]bool
}

func newPreference(ctx context.Context, prefer string, store *cdc.Store) (*preference, error) {
	list, err := store.Conflicts(ctx)
	if err != nil {
		return nil, err
	}
	p := &preference{store: store, mine: prefer == "mine", before: make(map[string]bool)}
	for _, c := range list {
		p.before[c.ID] = true
	}
	return p, nil
}

// wrong reports whether the side that is not preferred won.
func (p *preference) wrong(c cdc.Conflict) bool {
	if c.Kind != string(merge.KindBaseline) || p.before[c.ID] || len(c.Loser) == 0 {
		return false
	}
	if p.mine {
		return p.store.Mine(c.LoserVersion.Origin)
	}
	return p.store.Mine(c.WinnerVersion.Origin)
}

// enforce writes what lost to the wrong side again, and returns in how many rows.
// A row that has changed since is left alone.
func (p *preference) enforce(ctx context.Context) (n int, err error) {
	list, err := p.store.Conflicts(ctx)
	if err != nil {
		return 0, err
	}
	list = slices.DeleteFunc(list, func(c cdc.Conflict) bool { return !p.wrong(c) })
	return p.store.TurnConflicts(ctx, list)
}
