package cdc

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"sync"
	"time"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/wire"
)

// A file that was copied with its key, in a way that neither copy could notice,
// makes a chain with two ends: two different batches with one number, both
// signed. Each node keeps the end that it came to hold first, and takes the rows
// of the other from whoever has it as a snapshot; the other origins are not
// affected. The copies themselves go on as other authors as soon as they hear of
// it, so neither end grows.

// Fork is a chain with two ends, as far as this node knows.
type Fork struct {
	Dataset string
	Origin  merge.NodeID
	// Seq is the first number known to differ.
	Seq uint64
	// Peer is who has the other batch.
	Peer  merge.NodeID
	Noted time.Time
	// Merged is when the rows of the other end were merged, zero while they are
	// not.
	Merged time.Time
}

// Forks lists the chains with two ends.
func (s *Store) Forks(ctx context.Context) ([]Fork, error) {
	list, err := readForks(ctx, s.db)
	if err != nil {
		return nil, fmt.Errorf("read forks: %w", s.explain(err))
	}
	return list, nil
}

func readForks(ctx context.Context, db interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}) ([]Fork, error) {
	rows, err := db.QueryContext(ctx, `SELECT d.name, o.key, f.seq, f.peer, f.noted, coalesce(f.merged, 0) FROM sqlsync_fork AS f
		JOIN sqlsync_dataset AS d ON d.id = f.dataset_id JOIN sqlsync_origin AS o ON o.id = f.origin_id ORDER BY d.name, f.noted`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Fork
	for rows.Next() {
		var f Fork
		var origin, peer []byte
		var noted, merged int64
		if err := rows.Scan(&f.Dataset, &origin, &f.Seq, &peer, &noted, &merged); err != nil {
			return nil, err
		}
		f.Origin, f.Peer, f.Noted = merge.NodeID(origin), merge.NodeID(peer), time.UnixMilli(noted).UTC()
		if merged != 0 {
			f.Merged = time.UnixMilli(merged).UTC()
		}
		list = append(list, f)
	}
	return list, rows.Err()
}

// forked notes that a peer has another batch seq of an origin than this node. A
// node whose own chain it is goes on as another author.
func (t *tx) forked(ds *dataset, origin merge.NodeID, seq uint64, peer merge.NodeID) error {
	id, err := t.origin(origin)
	if err != nil {
		return err
	}
	f := Fork{Dataset: ds.name, Origin: origin, Seq: seq, Peer: peer}
	t.ends = append(t.ends, f)
	open, err := t.openFork(ds, origin)
	if err != nil || open {
		return err
	}
	if _, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_fork (dataset_id, origin_id, seq, peer, noted) VALUES (?, ?, ?, ?, ?)`,
		ds.id, id, int64(seq), peer[:], t.now.UnixMilli()); err != nil {
		return fmt.Errorf("note fork: %w", err)
	}
	t.forks = append(t.forks, f)
	if origin != t.author.Node || t.s.makeAuthor == nil {
		return nil
	}
	return t.renew("another copy of it writes under its identity")
}

// openFork reports whether the rows of another end of a chain are still to be
// merged.
func (t *tx) openFork(ds *dataset, origin merge.NodeID) (bool, error) {
	n, err := t.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_fork WHERE dataset_id = ? AND merged IS NULL
		AND origin_id = (SELECT id FROM sqlsync_origin WHERE key = ?))`, ds.id, origin[:])
	return n > 0, err
}

// forkError tells replicate that a peer has other ends of chains, nil if it has
// none.
func forkError(ends []Fork) error {
	if len(ends) == 0 {
		return nil
	}
	f := ends[0]
	return fmt.Errorf("%w: there are two batches %d of %v in %s", wire.ErrForked, f.Seq, f.Origin, f.Dataset)
}

// logForks says, after the commit, what was found.
func (s *Store) logForks(list []Fork) {
	for _, f := range list {
		s.log.Warn("two different batches with one number: the database of their origin was copied, or put back, and both copies write",
			"db", s.path, "dataset", f.Dataset, "origin", f.Origin.String(), "seq", f.Seq, "peer", f.Peer.String())
	}
}

// compareEnds compares what a peer says that it has. The vector as it is here,
// own, spares a transaction where there is nothing to be looked up.
func (d *Stream) compareEnds(ctx context.Context, peer merge.NodeID, v, own merge.Vector) (ends []Fork, err error) {
	open, err := d.openForks(ctx, peer)
	if err != nil || !d.s.ends.news(d.name, peer, v, own) && !open {
		return nil, err
	}
	err = d.s.peek(ctx, func(t *tx) error {
		ends, err = t.otherEnds(d.name, peer, v)
		return err
	})
	if err == nil && len(ends) > 0 {
		err = d.s.write(ctx, func(t *tx) error {
			ds, err := t.dataset(d.name)
			for i := 0; i < len(ends) && err == nil; i++ {
				err = t.forked(ds, ends[i].Origin, ends[i].Seq, peer)
			}
			return err
		})
	}
	if err == nil {
		d.s.ends.compared(d.name, peer, v)
	}
	return ends, err
}

// openForks reports whether a peer has another end whose rows are not here yet.
func (d *Stream) openForks(ctx context.Context, peer merge.NodeID) (open bool, err error) {
	err = d.s.get(ctx, &open, `SELECT EXISTS (SELECT 1 FROM sqlsync_fork WHERE peer = ? AND merged IS NULL
		AND dataset_id = (SELECT id FROM sqlsync_dataset WHERE name = ?))`, peer[:], d.name)
	return open, err
}

// ends remembers which ends of peers were compared, so that each is once.
type ends struct {
	mu sync.Mutex
	m  map[confirmation]merge.Position
}

// news reports whether a peer says something of a chain that is to be compared:
// a position that was not yet, and is not plainly this node's own.
func (e *ends) news(dataset string, peer merge.NodeID, v, own merge.Vector) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for origin, p := range v {
		if p.Seq <= own[origin].Seq && p != own[origin] && e.m[confirmation{dataset, peer, origin}] != p {
			return true
		}
	}
	return false
}

func (e *ends) compared(dataset string, peer merge.NodeID, v merge.Vector) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.m == nil {
		e.m = make(map[confirmation]merge.Position)
	}
	for origin, p := range v {
		e.m[confirmation{dataset, peer, origin}] = p
	}
}

// merged forgets what was compared of a chain while its other end was on its way
// here, which is a longer one by now.
func (e *ends) merged(dataset string, origin merge.NodeID, end merge.Position) {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.m, func(c confirmation, p merge.Position) bool {
		return c.dataset == dataset && c.origin == origin && p != end
	})
}

// otherEnds finds the chains of which a peer holds another end than this node:
// the timestamp at which it says its chain ends is not that of the batch here.
func (t *tx) otherEnds(name string, peer merge.NodeID, v merge.Vector) (ends []Fork, err error) {
	id, err := t.Int(`SELECT id FROM sqlsync_dataset WHERE name = ?`, name)
	if err != nil {
		return nil, err
	}
	ds := &dataset{id: id, name: name}
	own, err := t.chains(ds)
	if err != nil {
		return nil, err
	}
	for _, origin := range v.Origins() {
		p := v[origin]
		if p.Seq == 0 || p.Seq > own[origin].Seq {
			continue // whoever has more finds out, or the next batch tells
		}
		last := own[origin].HLC
		if p.Seq < own[origin].Seq {
			if last, err = t.lastOf(ds, origin, p.Seq); err != nil {
				return nil, err
			}
		}
		if last != 0 && p.HLC != 0 && last != p.HLC {
			ends = append(ends, Fork{Dataset: name, Origin: origin, Seq: p.Seq, Peer: peer})
		}
	}
	return ends, nil
}

// lastOf is the timestamp of a held batch, 0 where it is not known.
func (t *tx) lastOf(ds *dataset, origin merge.NodeID, seq uint64) (last merge.HLC, err error) {
	err = t.Query(func(row []any) error {
		n, _ := row[0].(int64)
		last = merge.HLC(n)
		return sqlconn.Stop
	}, `SELECT last FROM sqlsync_batch WHERE dataset_id = ?1 AND seq = ?3 AND origin_id = (SELECT id FROM sqlsync_origin WHERE key = ?2)
		UNION ALL SELECT hlc FROM sqlsync_checkpoint WHERE dataset_id = ?1 AND seq = ?3 AND origin_id = (SELECT id FROM sqlsync_origin WHERE key = ?2)`,
		ds.id, origin[:], int64(seq))
	return last, err
}

// continues reports whether a batch, which is not here by its number, is the next
// of its chain. One that is of another end is noted and left out, as are those
// behind it.
func (t *tx) continues(ds *dataset, from merge.NodeID, h *wire.Header, have chain) (bool, error) {
	if h.Seq == have.Seq+1 && h.Prev == have.hash {
		return true, nil
	}
	if h.Seq == have.Seq+1 {
		return false, t.forked(ds, h.Origin, have.Seq, from)
	}
	if open, err := t.openFork(ds, h.Origin); err != nil {
		return false, err
	} else if open {
		return false, t.forked(ds, h.Origin, h.Seq, from)
	}
	return false, fmt.Errorf("%w: batch %d of %v came after %d", wire.ErrGap, h.Seq, h.Origin, have.Seq)
}

// mergedForks ends a snapshot of a peer that had other ends: their rows are here
// now. Where the peer's chain is the longer one, or the later of equal ones, it
// goes on here, too, and what was held of the other is not given on any more. It
// reports whether there were any.
func (t *tx) mergedForks(ds *dataset, heads []wire.ChainHead) (merged bool, err error) {
	own, err := t.chains(ds)
	if err != nil {
		return false, err
	}
	for _, h := range heads {
		open, err := t.openFork(ds, h.Origin)
		if err != nil {
			return false, err
		}
		have := own[h.Origin]
		if !open || h.Hash == have.hash {
			continue
		}
		merged = true
		t.s.ends.merged(ds.name, h.Origin, h.Position)
		id, err := t.origin(h.Origin)
		if err != nil {
			return false, err
		}
		if h.Seq > have.Seq || h.Seq == have.Seq && h.HLC > have.HLC {
			for _, q := range []string{
				`DELETE FROM sqlsync_batch WHERE dataset_id = ? AND origin_id = ?`,
				`DELETE FROM sqlsync_left WHERE dataset_id = ? AND origin_id = ? AND seq > 0`,
			} {
				if _, err := t.Exec(q, ds.id, id); err != nil {
					return false, err
				}
			}
			t.s.tail.forget()
			t.held = nil
			if err := t.jump(ds, h); err != nil {
				return false, err
			}
		}
		if _, err := t.Exec(`UPDATE sqlsync_fork SET merged = ? WHERE dataset_id = ? AND origin_id = ?`, t.now.UnixMilli(), ds.id, id); err != nil {
			return false, err
		}
	}
	return merged, nil
}
