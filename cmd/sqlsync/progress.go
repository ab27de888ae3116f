package main

import (
	"context"
	"time"

	"sqlsync/cdc"
)

// progressEvery is how often long work says how far it is.
const progressEvery = 2 * time.Second

// progress says now and then how many changes have come, until done.
func (a *app) progress(ctx context.Context, store *cdc.Store, done <-chan struct{}) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		n, err := store.Changes(ctx)
		if err != nil {
			return
		}
		a.say("%d changes so far", n)
	}
}
