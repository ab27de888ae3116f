package main

import (
	"context"
	"fmt"
	"time"

	"sqlsync/cdc"
)

// readBlocked warns of the remotes that keep datasets from being pruned.
func (st *status) readBlocked(ctx context.Context, store *cdc.Store) error {
	list, err := store.Blocked(ctx)
	if err != nil {
		return err
	}
	for _, b := range list {
		for i := range st.Datasets {
			if d := &st.Datasets[i]; d.Dataset == b.Dataset {
				d.Blocked = append(d.Blocked, b.Remote)
			}
		}
		st.Warnings = append(st.Warnings, blockedText(&b)+"; "+blockedRemedy(&b))
	}
	return nil
}

func blockedText(b *cdc.Blocked) string {
	text := fmt.Sprintf("%s of %s cannot be pruned: remote %s has not confirmed them, last heard of %s",
		countOf(b.Batches, "batch"), b.Dataset, b.Remote, b.Seen.Format(time.RFC3339))
	if b.Until.IsZero() {
		return text + "; they are kept for it for ever"
	}
	return text + "; they are kept for it until " + b.Until.Format(time.RFC3339)
}

func blockedRemedy(b *cdc.Blocked) string {
	return fmt.Sprintf("connect it, or bound that with sqlsync remote set %s --max-offline DURATION, or sqlsync remote remove %s", b.Remote, b.Remote)
}

// checkBlocked looks at who keeps datasets from being pruned.
func (d *doctor) checkBlocked() {
	if !d.ex.IsNode {
		return
	}
	for i := range d.ex.Blocked {
		b := &d.ex.Blocked[i]
		d.warn("retention "+b.Dataset, blockedRemedy(b), "%s", blockedText(b))
	}
	if len(d.ex.Blocked) == 0 {
		d.ok("retention", "nobody keeps anything from being pruned")
	}
}
