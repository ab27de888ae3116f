package cdc

import (
	"context"
	"fmt"

	"sqlsync/schema"
	"sqlsync/wire"
)

// digestTries is how often an application is waited for that writes between
// the seal and the reading.
const digestTries = 20

// Digests seals, and digests the dataset's tables that wait for nothing, with
// the vector that they stand for. It is one read transaction as long as that
// takes.
func (d *Stream) Digests(ctx context.Context) (*wire.Digests, error) {
	for n := 1; ; n++ {
		if err := d.s.Seal(ctx, d.name); err != nil {
			return nil, err
		}
		out, err := d.digests(ctx)
		if err != nil {
			return nil, fmt.Errorf("digest %s: %w", d.name, err)
		}
		if !out.Pending || n == digestTries {
			return out, nil
		}
	}
}

func (d *Stream) digests(ctx context.Context) (*wire.Digests, error) {
	at, err := d.s.watchedTables(ctx)
	if err != nil {
		return nil, err
	}
	out := &wire.Digests{}
	err = d.s.peek(ctx, func(t *tx) error {
		id, err := t.Int(`SELECT id FROM sqlsync_dataset WHERE name = ?`, d.name)
		if err != nil {
			return err
		}
		ds := &dataset{id: id, name: d.name}
		pending, err := t.Int(`SELECT EXISTS (SELECT 1 FROM ` + ds.oplog() + `)`)
		if out.Pending = pending != 0; err != nil || out.Pending {
			return err
		}
		chains, err := t.chains(ds)
		if err != nil {
			return err
		}
		out.Vector = chains.vector()
		for _, tab := range at.tables {
			if tab.ds.id != id || tab.waiting != "" || tab.replayFrom != 0 {
				continue
			}
			if gap, err := t.unfilled(tab, tab.ds); err != nil {
				return err
			} else if gap {
				continue
			}
			def, err := schema.Load(ctx, t.Conn, tab.name)
			if err != nil {
				return err
			}
			sum, err := digestTable(ctx, t.Conn, def, tab.localIDs())
			if err != nil {
				return err
			}
			out.Tables = append(out.Tables, wire.TableDigest{Name: tab.name, Rows: uint64(sum.Rows), Sum: sum.Sum})
		}
		return nil
	})
	return out, err
}
