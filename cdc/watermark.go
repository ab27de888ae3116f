package cdc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sqlsync/merge"
)

// flushAfter is how long a watermark may stay in memory. A lost one costs a
// later prune, never data, so it is written along with something else.
const flushAfter = time.Second

const (
	// maxUnwritten is how many confirmations wait to be written.
	maxUnwritten = 1 << 17
	// maxUnheld is how many confirmations of a remote's are kept about chains
	// that are not here: it can make up as many as it likes.
	maxUnheld = 4096
)

// watermarks are confirmations on their way into the database.
type watermarks struct {
	mu    sync.Mutex
	since time.Time
	m     map[confirmation]uint64
}

type confirmation struct {
	dataset string
	peer    merge.NodeID
	origin  merge.NodeID
}

// ErrRolledBack says that a peer has more of this node's own chain than the
// node has: the file is an older copy of itself. What it seals now has numbers
// that were given before, so it must not be exchanged.
var ErrRolledBack = errors.New("this database is older than what its peers have of it: it was restored from a backup or copied")

// Confirm records what a peer has applied durably, within a second. A peer
// that is no remote is not recorded. Where the peer has batches of this node's
// that the node does not, the node goes on as another author. Where it has other
// ends of chains than are held here, the error wraps wire.ErrForked.
func (d *Stream) Confirm(ctx context.Context, peer merge.NodeID, v merge.Vector) error {
	own, err := d.Vector(ctx)
	if err != nil {
		return err
	}
	ends, err := d.compareEnds(ctx, peer, v, own)
	if err != nil {
		return err
	}
	if had, has := v[d.s.Author()].Seq, own[d.s.Author()].Seq; had > has {
		if d.s.makeAuthor == nil {
			return fmt.Errorf("%w (a peer has its batch %d of %s, it has %d)", ErrRolledBack, had, d.name, has)
		}
		if err := d.leave(ctx, v); err != nil {
			return err
		}
	}
	if gone, err := d.abandoned(ctx, peer, v); err != nil {
		return err
	} else if gone {
		if err := d.whenSealed(ctx, func(t *tx, ds *dataset) error { return t.abandon(ds, peer) }); err != nil {
			return err
		}
	}
	w := &d.s.watermarks
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.m) == 0 {
		w.m, w.since = make(map[confirmation]uint64), d.s.now()
	}
	if len(w.m) > maxUnwritten {
		return nil // the next one will do
	}
	for origin, p := range v {
		if d.s.Mine(origin) && p.Seq > own[origin].Seq {
			continue // of a file that was put back: what is here need not be what it has
		}
		c := confirmation{d.name, peer, origin}
		w.m[c] = max(w.m[c], p.Seq)
	}
	return forkError(ends)
}

// leave goes on as another author where a peer has more of the present one's
// chain than is here.
func (d *Stream) leave(ctx context.Context, v merge.Vector) error {
	return d.s.write(ctx, func(t *tx) error {
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		return t.lost(ds, v[t.author.Node].Seq)
	})
}

// take returns what is to be written and forgets it.
func (w *watermarks) take() map[confirmation]uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.m
	w.m = nil
	return m
}

// putBack undoes take after a transaction failed.
func (w *watermarks) putBack(m map[confirmation]uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.m == nil {
		w.m = m
		return
	}
	for c, seq := range m {
		w.m[c] = max(w.m[c], seq)
	}
}

// stale reports whether something has waited for long enough.
func (w *watermarks) stale(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.m) > 0 && now.Sub(w.since) >= flushAfter
}

// saveWatermarks writes confirmations in this transaction.
func (t *tx) saveWatermarks(m map[confirmation]uint64) error {
	kept := make(map[int64]int64) // by remote, once there is a chain that is not here
	for c, seq := range m {
		ds, err := t.dataset(c.dataset)
		if err != nil {
			continue
		}
		remote, err := t.Int(`SELECT id FROM sqlsync_remote WHERE key = ?`, c.peer[:])
		if err != nil {
			return err
		}
		if remote == 0 {
			continue
		}
		if _, ok := t.cfg.origins.id[c.origin]; !ok {
			if _, ok := kept[remote]; !ok {
				if kept[remote], err = t.Int(`SELECT count(*) FROM sqlsync_watermark WHERE remote_id = ?`, remote); err != nil {
					return err
				}
			}
			if kept[remote]++; kept[remote] > maxUnheld {
				continue
			}
		}
		origin, err := t.origin(c.origin)
		if err != nil {
			return err
		}
		if _, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_watermark (remote_id, dataset_id, origin_id, seq) VALUES (?, ?, ?, ?)`,
			remote, ds.id, origin, int64(seq)); err != nil {
			return fmt.Errorf("record watermark: %w", err)
		}
		if _, err := t.Exec(`UPDATE sqlsync_remote SET seen = ? WHERE id = ?`, t.now.UnixMilli(), remote); err != nil {
			return fmt.Errorf("record watermark: %w", err)
		}
	}
	return nil
}

// flush writes what is in memory.
func (s *Store) flush(ctx context.Context) error {
	s.watermarks.mu.Lock()
	n := len(s.watermarks.m)
	s.watermarks.mu.Unlock()
	if n == 0 {
		return nil
	}
	return s.write(ctx, func(*tx) error { return nil })
}

func (s *Store) flushStale(ctx context.Context) error {
	if !s.watermarks.stale(s.now()) {
		return nil
	}
	return s.flush(ctx)
}
