package cdc

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"sqlsync/cdc/internal/sqlconn"
	"sqlsync/merge"
	"sqlsync/wire"
)

// What a policy keeps of a cell is not what another can be computed from: nodes
// that change from one to the other with different changes merged come to hold
// different values. So a table is uneven from when its policy was changed here
// until it was compared with each peer, see Even.

// makeUneven notes that a table is to be compared with all peers.
func (t *tx) makeUneven(tab *table) error {
	chains, err := t.chains(tab.ds)
	if err != nil {
		return err
	}
	heads, err := json.Marshal(chains.heads())
	if err != nil {
		return err
	}
	if _, err := t.Exec(`UPDATE sqlsync_table SET uneven = coalesce(uneven, 0) + 1, uneven_at = ? WHERE id = ?`, heads, tab.id); err != nil {
		return fmt.Errorf("note that %s is to be compared: %w", tab.name, err)
	}
	return nil
}

// remakeUneven is makeUneven, also for other processes and sessions that are open,
// in the middle of a transaction.
func (t *tx) remakeUneven(tab *table) error {
	if err := t.makeUneven(tab); err != nil {
		return err
	}
	_, err := t.Exec(`UPDATE sqlsync_node SET generation = generation + 1`)
	return err
}

// retold makes tables uneven again, of those that were once, since a snapshot
// has brought rows as a peer has them.
func (t *tx) retold(ds *dataset) error {
	for _, tab := range t.cfg.tables {
		if tab.ds.id != ds.id {
			continue
		}
		if n, err := t.Int(`SELECT uneven FROM sqlsync_table WHERE id = ?`, tab.id); err != nil {
			return err
		} else if n > 0 {
			if err := t.remakeUneven(tab); err != nil {
				return err
			}
		}
	}
	return nil
}

// uneven is a table that is to be compared with a peer.
type uneven struct {
	name string
	// times is sqlsync_table's uneven, since the vector that the peer must have:
	// what came later was merged by the policy that there is now.
	times int64
	since merge.Vector
}

const readUneven = `SELECT t.name, t.uneven, t.uneven_at FROM sqlsync_table AS t JOIN sqlsync_dataset AS d ON d.id = t.dataset_id
	WHERE d.name = ? AND t.watched AND t.policy <> 'append' AND t.uneven > coalesce((SELECT e.at FROM sqlsync_even AS e WHERE e.table_id = t.id AND e.node = ?), 0)
	AND NOT EXISTS (SELECT 1 FROM sqlsync_disagreement AS x WHERE x.table_id = t.id)`

// Uneven reports whether a table that a peer offers is to be compared with the
// peer's by Even.
func (d *Stream) Uneven(ctx context.Context, peer merge.NodeID, offers []wire.TableOffer) (bool, error) {
	rows, err := d.s.query(ctx, readUneven, d.name, peer[:])
	if err != nil {
		return false, fmt.Errorf("read uneven tables: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var u uneven
		var at []byte
		if err := rows.Scan(&u.name, &u.times, &at); err != nil {
			return false, fmt.Errorf("read uneven tables: %w", err)
		}
		if slices.ContainsFunc(offers, func(o wire.TableOffer) bool { return equalNames(o.Name, u.name) }) {
			return true, nil
		}
	}
	return false, rows.Err()
}

// Uncompared is a table whose policy was changed and that was not compared with a
// remote's since: the two may hold different values.
type Uncompared struct {
	Table, Dataset, Remote string
	// Alone says that nothing compares it by itself: it is merged by append, or
	// changes go one way.
	Alone bool

	id, times int64
	node      []byte
}

// Uncompared lists the tables that are still to be compared with remotes that have
// them, as these last said.
func (s *Store) Uncompared(ctx context.Context) (list []Uncompared, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT t.name, d.name, r.name, t.id, t.uneven, r.key, t.policy = 'append', r.pull, r.push, r.directions
		FROM sqlsync_table AS t JOIN sqlsync_dataset AS d ON d.id = t.dataset_id JOIN sqlsync_shape AS s ON s.table_id = t.id JOIN sqlsync_remote AS r ON r.key = s.node
		WHERE t.watched AND t.uneven > coalesce((SELECT e.at FROM sqlsync_even AS e WHERE e.table_id = t.id AND e.node = r.key), 0)
		AND NOT EXISTS (SELECT 1 FROM sqlsync_disagreement AS x WHERE x.table_id = t.id) ORDER BY t.name, r.name`)
	if err != nil {
		return nil, fmt.Errorf("read uneven tables: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var u Uncompared
		var r Remote
		var directions sql.NullString
		if err := rows.Scan(&u.Table, &u.Dataset, &u.Remote, &u.id, &u.times, &u.node, &u.Alone, &r.Pull, &r.Push, &directions); err != nil {
			return nil, fmt.Errorf("read uneven tables: %w", err)
		}
		if r.Directions, err = readDirections(directions); err != nil {
			return nil, fmt.Errorf("read remote %s: %w", u.Remote, err)
		}
		own := r.Direction(u.Dataset)
		u.Alone = u.Alone || !own.Pull || !own.Push
		list = append(list, u)
	}
	return list, rows.Err()
}

// Compared notes that a table was found to be the same as the remote's, after
// Uncompared has told of it.
func (s *Store) Compared(ctx context.Context, u Uncompared) error {
	return s.write(ctx, func(t *tx) error { return t.isEven(u.id, u.node, u.times) })
}

func (t *tx) isEven(table int64, node []byte, times int64) error {
	if _, err := t.Exec(`INSERT OR REPLACE INTO sqlsync_even (table_id, node, at) VALUES (?, ?, ?)`, table, node, times); err != nil {
		return fmt.Errorf("note what was compared: %w", err)
	}
	return nil
}

// unevenWith lists the tables that are to be compared with a peer.
func (t *tx) unevenWith(ds *dataset, peer merge.NodeID) (list []uneven, err error) {
	err = t.Query(func(row []any) error {
		text, _ := row[2].([]byte)
		heads, err := decodeHeads(text)
		list = append(list, uneven{name: row[0].(string), times: row[1].(int64), since: vectorOf(heads)})
		return err
	}, readUneven, ds.name, peer[:])
	return list, err
}

// restatedHere reports whether a birth is of a row that this node has stated again.
func (t *tx) restatedHere(tab *table, birth merge.Version) (is bool, err error) {
	if !t.mine(birth.Origin) {
		return false, nil
	}
	err = t.Query(func(row []any) error {
		is = row[0].(int64) >= int64(birth.HLC)
		return sqlconn.Stop
	}, `SELECT last FROM sqlsync_restated WHERE table_id = ? AND first <= ? ORDER BY first DESC LIMIT 1`, tab.id, int64(birth.HLC))
	return is, err
}
