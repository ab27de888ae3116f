package mesh

import (
	"context"
	"fmt"
	"slices"

	"sqlsync/cdc"
)

// Clone makes the tables of every dataset that a remote lets us have, and brings
// their rows as Sync does. Tables that are there already are watched as they
// are. It returns the application's triggers that could not be made because they
// need something that this database does not have.
func (m *Member) Clone(ctx context.Context, remote string) (skipped []string, err error) {
	list, err := m.Store.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(r cdc.Remote) bool { return r.Name == remote })
	if i < 0 {
		return nil, fmt.Errorf("%w: %q", cdc.ErrNoRemote, remote)
	}
	datasets := list[i].Datasets
	all := datasets == nil
	if all {
		datasets = []string{cdc.DefaultDataset}
	}
	for i := 0; i < len(datasets); i++ {
		s, err := m.Node.Schema(ctx, remote, datasets[i])
		if err != nil {
			return skipped, err
		}
		for _, d := range s.Datasets { // the first tells of all
			if i == 0 && all && d != cdc.DefaultDataset {
				datasets = append(datasets, d)
			}
		}
		left, err := m.Store.Create(ctx, datasets[i], s)
		skipped = append(skipped, left...)
		if err != nil {
			return skipped, err
		}
	}
	return skipped, m.Sync(ctx, remote)
}
