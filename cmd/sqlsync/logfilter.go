package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sqlsync/cdc"
	"sqlsync/merge"
	"sqlsync/schema"
)

// check looks at the flags, before the file is.
func (c *logCmd) check() error {
	if c.Limit < 0 {
		return usage(fmt.Sprintf("--limit %d", c.Limit), "use a number of changes, or 0 for all")
	}
	if c.Dataset != nil {
		return checkDataset(*c.Dataset)
	}
	return nil
}

// find makes sure that the table and the origin that are asked for are known:
// a misspelled one would look like an empty log.
func (c *logCmd) find(ctx context.Context, store *cdc.Store) error {
	if c.Table != nil {
		names, err := store.LogTables(ctx)
		if err != nil {
			return err
		}
		if err := c.findTables(names); err != nil {
			return err
		}
	}
	if c.Origin == "" {
		return nil
	}
	nodes, err := store.Origins(ctx)
	if err != nil {
		return err
	}
	remotes, err := store.Remotes(ctx)
	if err != nil {
		return err
	}
	c.origins = make(map[merge.NodeID]bool)
	for _, n := range nodes {
		if strings.HasPrefix(nodeKey(n), c.Origin) || store.Mine(n) && strings.HasPrefix(nodeKey(store.Node()), c.Origin) {
			c.origins[n] = true
		}
	}
	for _, r := range remotes {
		if r.Name == c.Origin || strings.HasPrefix(nodeKey(r.Key), c.Origin) {
			c.origins[r.Key] = true
		}
	}
	if len(c.origins) == 0 {
		return hint(fmt.Errorf("no node %q", c.Origin), "sqlsync status --json has the keys of the nodes; a remote's name will do")
	}
	return nil
}

// nothing is the log of a database that is no node.
func (c *logCmd) nothing(ctx context.Context, a *app) error {
	if c.Table == nil {
		return nil
	}
	list, err := cdc.TablesOf(ctx, a.DB[0])
	if err != nil {
		return explain(a.DB[0], err)
	}
	var names []string
	for _, t := range list {
		names = append(names, t.Name)
	}
	return c.findTables(names)
}

func (c *logCmd) findTables(names []string) error {
	for _, t := range c.Table {
		if err := schema.Find(names, t); err != nil {
			return err
		}
	}
	return nil
}

// awaitEvery is how often a database that is no node is looked at, by who
// waits for it to become one.
const awaitEvery = 200 * time.Millisecond

// awaitNode waits until the database is a node.
func (a *app) awaitNode(ctx context.Context) error {
	tick := time.NewTicker(awaitEvery)
	defer tick.Stop()
	for {
		if is, err := a.isNode(ctx); err != nil || is {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
