package cdc

import (
	"context"
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
