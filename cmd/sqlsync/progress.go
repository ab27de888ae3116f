package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
	"sqlsync/replicate/mesh"
)

// How often long work says how far it is: on a terminal, where it draws a bar,
// and elsewhere.
const (
	drawEvery     = 200 * time.Millisecond
	progressEvery = 2 * time.Second
)

// barWidth is how many signs a bar has.
const barWidth = 30

// progress says now and then how many changes have come from a remote, and how
// much that is of all, until done.
func (a *app) progress(ctx context.Context, m *mesh.Member, remote string, done <-chan struct{}) {
	f, ok := a.stderr.(*os.File)
	draw := ok && term.IsTerminal(int(f.Fd()))
	every := progressEvery
	if draw {
		every = drawEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	if draw {
		defer fmt.Fprint(a.stderr, "\r\x1b[K") // what is said next has the line to itself
	}
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		n, err := m.Store.Changes(ctx)
		if err != nil {
			return
		}
		part := partOf(ctx, m, remote)
		if draw {
			fmt.Fprintf(a.stderr, "\r%s\x1b[K", bar(part, n))
		} else if part > 0 {
			a.say("%s so far, %d%% of all", plural.Of(n, "change"), int(part*100))
		} else {
			a.say("%s so far", plural.Of(n, "change"))
		}
	}
}

// partOf is how much of a remote's batches is here, 0 where that is not known.
func partOf(ctx context.Context, m *mesh.Member, remote string) float64 {
	list, err := m.Node.Status(ctx)
	if err != nil {
		return 0
	}
	var lacks uint64
	known := false
	for _, s := range list {
		for _, lag := range s.Lag {
			if s.Remote.Name == remote {
				lacks, known = lacks+lag.Ours, true
			}
		}
	}
	have, err := heldBatches(ctx, m.Store)
	if err != nil || !known || have == 0 {
		return 0
	}
	return float64(have) / (float64(have) + float64(lacks))
}

func heldBatches(ctx context.Context, store *cdc.Store) (n uint64, err error) {
	for _, d := range store.Datasets() {
		v, err := store.Stream(d).Vector(ctx)
		if err != nil {
			return 0, err
		}
		for _, p := range v {
			n += p.Seq
		}
	}
	return n, nil
}

// bar is one line of a terminal; a part of 0 is not known.
func bar(part float64, changes int64) string {
	if part <= 0 {
		return plural.Of(changes, "change")
	}
	full := min(barWidth, int(part*barWidth))
	return fmt.Sprintf("[%s%s] %3d%%  %s", strings.Repeat("#", full), strings.Repeat("-", barWidth-full), min(100, int(part*100)), plural.Of(changes, "change"))
}
