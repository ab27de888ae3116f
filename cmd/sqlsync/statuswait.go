package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sqlsync/cdc"
	"sqlsync/cmd/sqlsync/plural"
	"sqlsync/merge"
	"sqlsync/replicate/mesh"
)

// wait returns when a remote has confirmed everything that was written here
// before the call.
func (c *statusCmd) wait(ctx context.Context, a *app) error {
	if err := checkTimeout(c.Timeout); err != nil {
		return err
	}
	store, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	r, err := c.remote(ctx, store)
	if err != nil {
		return err
	}
	within := ctx
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	err = c.confirmed(within, a, store, r)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return c.late(ctx, store)
	}
	if err != nil {
		return explain(store.Path(), err)
	}
	have, err := store.Status(ctx)
	if err != nil {
		return explain(store.Path(), err)
	}
	list, err := readUnreplicated(ctx, store, have)
	if err != nil {
		return explain(store.Path(), err)
	}
	list = slices.DeleteFunc(list, func(u unreplicated) bool { return u.Remote != r.Name })
	if a.JSON {
		return a.printJSON(map[string]any{"remote": r.Name, "confirmed": true, "unreplicated": list})
	}
	if len(list)+len(have.Waiting) == 0 {
		a.say("%s has everything", r.Name)
		return nil
	}
	a.say("%s has everything that was written here", r.Name)
	for _, u := range list {
		a.say("but %s; %s", u, u.Remedy)
	}
	for _, table := range slices.Sorted(maps.Keys(have.Waiting)) {
		a.say("but table %s waits and may not be merged there yet: %s", cell(table), have.Waiting[table])
	}
	return nil
}

func (c *statusCmd) remote(ctx context.Context, store *cdc.Store) (*cdc.Remote, error) {
	list, err := store.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(r cdc.Remote) bool { return r.Name == c.Wait })
	if i < 0 {
		return nil, unknownRemote(c.Wait, list)
	}
	if !list[i].Gets() {
		return nil, hint(fmt.Errorf("%s gets no changes from here", c.Wait), "sqlsync remote set %s --both has it get them", c.Wait)
	}
	return &list[i], nil
}

// confirmed seals what is written and waits until the remote's watermarks cover
// it. They come from a serve or a sync, which is another process.
func (c *statusCmd) confirmed(ctx context.Context, a *app, store *cdc.Store, r *cdc.Remote) error {
	want := make(map[string]merge.Vector)
	for _, d := range store.Datasets() {
		if r.Datasets != nil && !slices.Contains(r.Datasets, d) || !r.Direction(d).Push {
			continue
		}
		v, err := store.Stream(d).Seal(ctx)
		if err != nil {
			return err
		}
		want[d] = v
	}
	changed, stop := store.Changed()
	defer stop()
	following, cancel := context.WithCancelCause(ctx)
	var all group
	defer all.Wait()
	defer cancel(nil)
	all.Go(func() { cancel(store.Watchdog(following)) })
	if !mesh.Served(store.Path()) && !a.JSON {
		a.say("sqlsync serve is not running here: waiting for it, or for a sync")
	}
	for {
		st, err := store.Status(ctx)
		if err != nil {
			return err
		}
		done := true
		for _, d := range st.Datasets {
			done = done && d.Confirmed[r.Name].Covers(want[d.Name])
		}
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-following.Done():
			return context.Cause(following)
		}
	}
}

// late says what is missing when the time is over.
func (c *statusCmd) late(ctx context.Context, store *cdc.Store) error {
	st, err := readStatus(ctx, store)
	if err != nil {
		return explain(store.Path(), err)
	}
	for i := range st.Remotes {
		r := &st.Remotes[i]
		if r.Name != c.Wait {
			continue
		}
		sealed, pending := st.missing(r)
		err := fmt.Errorf("after %v %s not on %s yet: %s", c.Timeout.Round(time.Millisecond), plural.Are(sealed+pending, "change"), r.Name, st.why(r))
		if u := st.denied(r); u != nil {
			return hint(err, "%s", u.Remedy)
		}
		if r.Remedy != "" {
			return hint(err, "%s", r.Remedy)
		}
		return hint(err, "sqlsync status says how everything stands; --timeout gives it more time")
	}
	return fmt.Errorf("remote %s is gone", c.Wait)
}
