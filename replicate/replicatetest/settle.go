package replicatetest

import (
	"errors"

	"sqlsync/cdc"
	"sqlsync/merge"
)

// Settle lets somebody look at the node's conflicts: one is restored or
// dismissed.
func (n *Node) Settle() error {
	if _, err := n.Seal(background); err != nil {
		return err
	}
	list, err := n.store.Conflicts(background)
	if err != nil || len(list) == 0 {
		return err
	}
	c := list[n.w.rand.IntN(len(list))]
	restore := n.w.rand.IntN(3) > 0
	if restore {
		_, err = n.watched(n.w.names(), func() (merge.Vector, error) { return nil, n.store.RestoreConflict(background, c.ID) })
	} else {
		err = n.guarded(func() error { return n.store.DismissConflicts(background, c.ID) })
	}
	n.w.Note("settle %d %s %v %v", n.index, c.ID, restore, err)
	switch {
	case errors.Is(err, cdc.ErrMends), errors.Is(err, cdc.ErrRefused), errors.Is(err, cdc.ErrOutranked):
		n.w.Counts.Refused++
		return nil
	case err != nil:
		return err
	}
	n.w.Counts.Settled++
	n.settled[stampOf(c.LoserVersion).unsigned()] = true
	return nil
}
