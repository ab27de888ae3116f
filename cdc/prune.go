package cdc

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
)

// Defaults of retention.
const (
	// DefaultRetention is for how long batches, tombstones and conflicts are
	// kept that everybody has.
	DefaultRetention = 30 * 24 * time.Hour
	// DefaultMaxOffline is for how long a remote that is away holds them back.
	DefaultMaxOffline = 90 * 24 * time.Hour
)

// pruneSlice is how many batches one transaction drops.
const pruneSlice = 200

// Pruned is what a prune came to.
type Pruned struct {
	Batches, Bytes, Tombstones, Conflicts int64
	// Blocked names the remotes that have not confirmed what would otherwise
	// have gone.
	Blocked []string
}

// PruneOptions say what to drop.
type PruneOptions struct {
	// All drops whatever every remote has, and not only what is older than the
	// dataset's retention.
	All bool
}

// Prune drops batches that every remote has confirmed, and tombstones and
// conflicts that are older than the dataset's retention. What a table here
// still waits for stays. Metadata that has come since the last prune is packed. Each
// transaction is a small slice.
func (s *Store) Prune(ctx context.Context, dataset string, o PruneOptions) (Pruned, error) {
	var total Pruned
	for {
		var slice Pruned
		err := s.writeIn(ctx, dataset, func(t *tx) error {
			ds, err := t.dataset(dataset)
			if err != nil {
				return err
			}
			slice, err = t.pruneBatches(ds, o)
			return err
		})
		if err != nil {
			return total, fmt.Errorf("prune %s: %w", dataset, err)
		}
		total.Batches += slice.Batches
		total.Bytes += slice.Bytes
		total.Blocked = slice.Blocked
		if slice.Batches < pruneSlice {
			break
		}
	}
	err := s.writeIn(ctx, dataset, func(t *tx) error {
		ds, err := t.dataset(dataset)
		if err != nil {
			return err
		}
		return t.pruneOld(ds, &total)
	})
	if err == nil {
		err = s.fold(ctx, dataset)
	}
	if err != nil {
		return total, fmt.Errorf("prune %s: %w", dataset, err)
	}
	return total, s.shrink(ctx)
}

// limit is up to where one chain may go, and who holds it back.
type limit struct {
	seq     uint64
	blocked string
}

// confirmedByAll returns, per origin, what every remote has that gets the
// dataset from here. A remote that has been away for longer than it may be is
// left out: it gets a snapshot when it comes back.
func (t *tx) confirmedByAll(ds *dataset, chains chains) (map[merge.NodeID]limit, error) {
	limits := make(map[merge.NodeID]limit, len(chains))
	for origin, c := range chains {
		limits[origin] = limit{seq: c.Seq}
	}
	type peer struct {
		id   int64
		name string
		key  merge.NodeID
	}
	var peers []peer
	err := t.Query(func(row []any) error {
		seen, _ := row[4].(int64)
		offline := DefaultMaxOffline.Milliseconds()
		if ms, ok := row[5].(int64); ok {
			offline = ms
		}
		push, _ := row[6].(int64)
		text, has := row[7].(string)
		r := Remote{Push: push != 0}
		var err error
		if r.Directions, err = readDirections(sql.NullString{String: text, Valid: has}); err != nil || !r.Direction(ds.name).Push {
			return err
		}
		if _, until := awayFrom(row[3].(string), seen, offline); !until.IsZero() && t.now.After(until) {
			return nil
		}
		peers = append(peers, peer{row[0].(int64), row[1].(string), merge.NodeID(row[2].([]byte))})
		return nil
	}, `SELECT id, name, key, added, seen, max_offline, push, directions FROM sqlsync_remote
		WHERE datasets IS NULL OR instr(datasets, ?)`, jsonText(ds.name))
	if err != nil {
		return nil, err
	}
	for _, p := range peers {
		has := make(map[merge.NodeID]uint64)
		err := t.Query(func(row []any) error {
			has[t.cfg.origins.node[row[0].(int64)]] = uint64(row[1].(int64))
			return nil
		}, `SELECT origin_id, seq FROM sqlsync_watermark WHERE remote_id = ? AND dataset_id = ?`, p.id, ds.id)
		if err != nil {
			return nil, err
		}
		for origin, l := range limits {
			if origin != p.key && has[origin] < l.seq {
				limits[origin] = limit{has[origin], p.name}
			}
		}
	}
	return limits, nil
}

// jsonText is a name as it is in a JSON array.
func jsonText(name string) string {
	b, err := json.Marshal(name)
	if err != nil {
		panic(err) // a string always marshals
	}
	return string(b)
}

// pruneBatches drops up to pruneSlice batches from the beginning.
func (t *tx) pruneBatches(ds *dataset, o PruneOptions) (out Pruned, err error) {
	chains, err := t.chains(ds)
	if err != nil {
		return out, err
	}
	limits, err := t.confirmedByAll(ds, chains)
	if err != nil {
		return out, err
	}
	keepFrom, err := t.waitedFor(ds)
	if err != nil {
		return out, err
	}
	tooMuch, err := t.tooMuch(ds)
	if err != nil {
		return out, err
	}
	oldest := merge.At(t.now.Add(-ds.retentionTime()))
	var gone []prunable
	err = t.Query(func(row []any) error {
		p := prunable{pos: row[0].(int64), origin: row[1].(int64), seq: row[2].(int64), size: row[3].(int64)}
		node := t.cfg.origins.node[p.origin]
		last, known := row[4].(int64)
		old := known && ds.retentionTime() > 0 && merge.HLC(last) < oldest
		if !o.All && !old && tooMuch <= 0 || p.pos >= keepFrom {
			return sqlconn.Stop
		}
		if l := limits[node]; uint64(p.seq) > l.seq {
			if l.blocked != "" && !slices.Contains(out.Blocked, l.blocked) {
				out.Blocked = append(out.Blocked, l.blocked)
			}
			return sqlconn.Stop // places go one after the other, so that the order stays whole
		}
		tooMuch -= p.size
		if gone = append(gone, p); len(gone) == pruneSlice {
			return sqlconn.Stop
		}
		return nil
	}, `SELECT pos, origin_id, seq, length(sealed), last FROM sqlsync_batch WHERE dataset_id = ? ORDER BY pos`, ds.id)
	if err != nil {
		return out, err
	}
	for _, p := range gone {
		if err := t.pruneBatch(ds, p); err != nil {
			return out, err
		}
		out.Batches++
		out.Bytes += p.size
	}
	if len(gone) > 0 {
		err = t.lostFor(ds, gone[len(gone)-1].pos)
	}
	return out, err
}

// prunable is a batch that may go.
type prunable struct{ pos, origin, seq, size int64 }

// pruneBatch drops a batch and moves the checkpoint of its chain behind it.
func (t *tx) pruneBatch(ds *dataset, p prunable) error {
	var blob []byte
	if err := t.Query(func(row []any) error {
		blob, _ = row[0].([]byte)
		return nil
	}, `SELECT sealed FROM sqlsync_batch WHERE dataset_id = ? AND pos = ?`, ds.id, p.pos); err != nil {
		return err
	}
	if blob == nil {
		return nil // it went with a damaged one before it
	}
	end, tables, err := t.endWith(ds, p, blob)
	if err != nil {
		return err
	}
	if _, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_checkpoint (dataset_id, origin_id, seq, hlc, hash) VALUES (?, ?, ?, ?, ?)`,
		ds.id, p.origin, int64(end.Seq), int64(end.HLC), end.hash[:]); err != nil {
		return err
	}
	if _, err := t.Exec(`DELETE FROM sqlsync_left WHERE dataset_id = ? AND origin_id = ? AND seq BETWEEN ? AND ?`, ds.id, p.origin, p.seq, int64(end.Seq)); err != nil {
		return err
	}
	if err := t.forgo(ds, p.origin, tables...); err != nil {
		return err
	}
	for seq := uint64(p.seq); seq <= end.Seq; seq++ {
		t.s.trouble(giving(ds.name, t.cfg.origins.node[p.origin], seq), nil)
	}
	_, err = t.Exec(`DELETE FROM sqlsync_batch WHERE dataset_id = ? AND origin_id = ? AND seq BETWEEN ? AND ?`, ds.id, p.origin, p.seq, int64(end.Seq))
	return err
}

// endWith is the end that a chain has with a batch, and the tables that the
// batch is of, as forgo has them. Of one that is damaged the next batch tells the
// hash, or the vector; where the next is damaged as well the end is behind that.
func (t *tx) endWith(ds *dataset, p prunable, blob []byte) (end chain, tables []string, err error) {
	end.Seq = uint64(p.seq)
	if sealed, err := t.s.parseHeld(blob); err == nil {
		h, dir, err := sealed.Header()
		for i := range dir {
			tables = append(tables, dir[i].Table)
		}
		end.HLC, end.hash = h.Last, sealed.Hash()
		return end, tables, err
	}
	tables = []string{""}
	chains, err := t.chains(ds)
	if err != nil {
		return end, tables, err
	}
	last := chains[t.cfg.origins.node[p.origin]]
	for ; end.Seq < last.Seq; end.Seq++ {
		whole := false
		if err := t.Query(func(row []any) error {
			blob, _ := row[0].([]byte)
			next, err := t.s.parseHeld(blob)
			if err != nil {
				return nil
			}
			h, _, err := next.Header()
			end.HLC, end.hash, whole = h.First-1, h.Prev, err == nil
			return nil
		}, `SELECT sealed FROM sqlsync_batch WHERE dataset_id = ? AND origin_id = ? AND seq = ?`, ds.id, p.origin, int64(end.Seq)+1); err != nil || whole {
			return end, tables, err
		}
	}
	return last, tables, nil
}

// waitedFor is the place of the first batch that a table of the dataset is
// still to be told of, that lacks a section which is wanted, or that has values for
// a column which may still come.
func (t *tx) waitedFor(ds *dataset) (int64, error) {
	from, err := t.Int(`SELECT min(p) FROM (
		SELECT replay_from AS p FROM sqlsync_table WHERE dataset_id = ?1 AND replay_from IS NOT NULL AND watched
		UNION ALL SELECT replay_from FROM sqlsync_moved WHERE dataset_id = ?1 AND replay_from IS NOT NULL
		UNION ALL SELECT b.pos FROM (`+gaps+`) AS g JOIN sqlsync_batch AS b ON b.dataset_id = ?1 AND b.origin_id = g.origin_id AND b.seq = g.seq)`, ds.id)
	if err != nil {
		return 0, err
	}
	lacked, err := t.lackedFrom(ds)
	if lacked > 0 && (from == 0 || lacked < from) {
		from = lacked
	}
	if from == 0 {
		from = 1<<63 - 1
	}
	return from, err
}

// pruned reports whether the dataset has dropped batches.
func (t *tx) pruned(ds *dataset) (bool, error) {
	n, err := t.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_checkpoint WHERE dataset_id = ?)`, ds.id)
	return n > 0, err
}

// tooMuch is by how many bytes the held batches are more than the dataset may
// have.
func (t *tx) tooMuch(ds *dataset) (int64, error) {
	if ds.retentionBytes == 0 {
		return 0, nil
	}
	n, err := t.Int(`SELECT sum(length(sealed)) FROM sqlsync_batch WHERE dataset_id = ?`, ds.id)
	return n - ds.retentionBytes, err
}

// pruneOld drops tombstones that everybody has, and old conflicts.
func (t *tx) pruneOld(ds *dataset, out *Pruned) error {
	var points []struct{ origin, hlc int64 }
	err := t.Query(func(row []any) error {
		points = append(points, struct{ origin, hlc int64 }{row[0].(int64), row[1].(int64)})
		return nil
	}, `SELECT origin_id, hlc FROM sqlsync_checkpoint WHERE dataset_id = ?`, ds.id)
	if err != nil {
		return err
	}
	for _, tab := range t.cfg.tables {
		if tab.ds.id != ds.id {
			continue
		}
		for _, p := range points {
			if tab.rule == merge.WholeRow || t.movedLately(tab) {
				break // a late update may stand against the deletion, or come in another dataset
			}
			n, err := t.Exec(`DELETE FROM `+metaName(tab.id)+` WHERE state = 1 AND coalesce(origin, birth_origin) = ? AND coalesce(version, birth) <= ?`, p.origin, p.hlc)
			if err != nil {
				return fmt.Errorf("table %s: %w", tab.name, err)
			}
			out.Tombstones += n
		}
		if ds.retentionTime() == 0 {
			continue
		}
		n, err := t.Exec(`DELETE FROM sqlsync_conflict WHERE table_id = ? AND kind <> ? AND noted < ?`,
			tab.id, string(kindUnique), t.now.Add(-ds.retentionTime()).UnixMilli())
		if err != nil {
			return err
		}
		out.Conflicts += n
	}
	return nil
}

// shrinkPages is how many pages one transaction hands back to the file system.
const shrinkPages = 256

// shrink hands space back in slices, where the file is set to incremental
// vacuum already; that setting is the application's.
func (s *Store) shrink(ctx context.Context) error {
	for {
		var left int64
		err := s.write(ctx, func(t *tx) error {
			mode, err := t.Int(`PRAGMA main.auto_vacuum`)
			if err != nil || mode != 2 {
				return err
			}
			if left, err = t.Int(`PRAGMA main.freelist_count`); err != nil || left == 0 {
				return err
			}
			err = t.Query(func([]any) error { return nil }, fmt.Sprintf(`PRAGMA main.incremental_vacuum(%d)`, shrinkPages))
			left -= shrinkPages
			return err
		})
		if err != nil || left <= 0 {
			return err
		}
	}
}
