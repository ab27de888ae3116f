package cdc

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"sqlsync/merge"
	"sqlsync/schema"
	"sqlsync/wire"
)

// Interest is per table. A node that passes batches on, having a remote it
// takes from and another it gives to, asks for all of them: what its remotes
// want is theirs to say, and they may come to want more. So does one that makes
// the tables that its peers have: whoever told of one may be gone by then. Others
// ask for the tables that they watch.
//
// Interest grows when a table is watched or a node begins to pass on. Batches
// that are held then lack sections which are wanted now. Until they are here,
// peers are told of a chain up to the first such batch only, as if the rest
// were not held; so they send it again, and its missing sections are put in.

// readInterest finds what each dataset asks for, and which sections of held
// batches are wanted by that.
func (t *tx) readInterest() error {
	remotes, err := t.directions()
	if err != nil {
		return fmt.Errorf("read interest: %w", err)
	}
	for _, ds := range t.cfg.datasets {
		ds.wants = nil
		if !ds.private && !ds.follows && !passesOn(remotes, ds.name) {
			ds.wants = t.watchedIn(ds)
		}
		if err := t.noteInterest(ds); err != nil {
			return fmt.Errorf("note interest in %s: %w", ds.name, err)
		}
	}
	return nil
}

// directions reads what is exchanged with the remotes, and nothing else of them.
func (t *tx) directions() (list []Remote, err error) {
	err = t.Query(func(row []any) error {
		var r Remote
		if text, ok := row[0].(string); ok {
			if err := json.Unmarshal([]byte(text), &r.Datasets); err != nil {
				return err
			}
		}
		r.Key = merge.NodeID(row[4].([]byte))
		text, has := row[3].(string)
		r.Pull, r.Push = row[1] == int64(1), row[2] == int64(1)
		var err error
		r.Directions, err = readDirections(sql.NullString{String: text, Valid: has})
		list = append(list, r)
		return err
	}, `SELECT datasets, pull, push, directions, key FROM sqlsync_remote`)
	return list, err
}

// passesOn reports whether there is a remote to take a dataset from and another
// to give it to. Those that are disabled or expired may come back.
func passesOn(remotes []Remote, dataset string) bool {
	from, to, both := 0, 0, 0
	for i := range remotes {
		r := &remotes[i]
		if r.Datasets != nil && !slices.Contains(r.Datasets, dataset) {
			continue
		}
		d := r.Direction(dataset)
		if d.Pull {
			from++
		}
		if d.Push {
			to++
		}
		if d.Pull && d.Push {
			both++
		}
	}
	return from > 0 && to > 0 && !(from == 1 && to == 1 && both == 1)
}

// Passes reports whether there is a dataset with a remote to take it from and
// another to give it to: what is not watched here is then passed on.
func (s *Store) Passes(ctx context.Context) (bool, error) {
	return readPasses(ctx, s.db.DB)
}

func readPasses(ctx context.Context, db *sql.DB) (bool, error) {
	remotes, err := readRemotes(ctx, db)
	if err != nil || len(remotes) < 2 {
		return false, err
	}
	rows, err := db.QueryContext(ctx, `SELECT name FROM sqlsync_dataset WHERE enabled`)
	if err != nil {
		return false, fmt.Errorf("read datasets: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return false, fmt.Errorf("read datasets: %w", err)
		}
		if passesOn(remotes, name) {
			return true, nil
		}
	}
	return false, rows.Err()
}

// watchedIn lists the tables that take changes from a dataset, as Hello does.
func (t *tx) watchedIn(ds *dataset) []string {
	names := []string{}
	for _, tab := range t.cfg.tables {
		if tab.takes(ds) {
			names = append(names, schema.Fold(tab.name))
		}
	}
	slices.Sort(names)
	return names
}

// wanting reports whether a table is asked for.
func (d *dataset) wanting(table string) bool {
	if d.wants == nil {
		return true
	}
	_, ok := slices.BinarySearch(d.wants, schema.Fold(table))
	return ok
}

// noteInterest keeps what is asked for, if that is news.
func (t *tx) noteInterest(ds *dataset) error {
	var text any
	if ds.wants != nil {
		b, err := json.Marshal(ds.wants)
		if err != nil {
			return err
		}
		text = string(b)
	}
	n, err := t.Exec(`UPDATE sqlsync_dataset SET interest = ?1 WHERE id = ?2 AND interest IS NOT ?1`, text, ds.id)
	if err != nil || n == 0 {
		return err
	}
	t.work.grown = true
	if ds.wants == nil {
		_, err = t.Exec(`UPDATE sqlsync_left SET wanted = 1 WHERE dataset_id = ? AND wanted = 0`, ds.id)
		return err
	}
	if _, err := t.Exec(`UPDATE sqlsync_left SET wanted = 0 WHERE dataset_id = ? AND wanted = 1`, ds.id); err != nil {
		return err
	}
	for _, name := range ds.wants {
		if _, err := t.Exec(`UPDATE sqlsync_left SET wanted = 1 WHERE dataset_id = ? AND name = ? AND wanted = 0`, ds.id, name); err != nil {
			return err
		}
	}
	return nil
}

// Interest lists the tables that peers are asked for, in lower case and
// ascending, nil for all. held is how far chains are here at least in part, where
// that is further than Vector says.
func (d *Stream) Interest(ctx context.Context) (wants []string, held merge.Vector, err error) {
	err = d.s.look(ctx, func(t *tx) error {
		ds, err := t.dataset(d.name)
		if err != nil {
			return err
		}
		wants, held = slices.Clone(ds.wants), nil
		chains, err := t.chains(ds)
		if err != nil || !chains.haveGap() {
			return err
		}
		held = make(merge.Vector)
		for origin, c := range chains {
			if c.gap > 0 {
				held[origin] = c.Position
			}
		}
		return nil
	})
	return wants, held, err
}

// narrow leaves the sections of tables out that are not wanted, and says which
// that is wanted is not here.
func narrow(h *wire.Held, wants []string) error {
	left, err := h.Sealed.LeftOut()
	if err != nil {
		return errDamaged
	}
	to := &dataset{wants: wants}
	if i := slices.IndexFunc(left, to.wanting); i >= 0 {
		h.Lacks = left[i]
	}
	if wants == nil || h.Sealed.Private() {
		return nil
	}
	if h.Sealed, err = h.Sealed.Without(to.wanting); err != nil {
		return errDamaged
	}
	return nil
}

// unfilled reports whether sections of a table are wanted in a dataset and not
// here.
func (t *tx) unfilled(tab *table, ds *dataset) (bool, error) {
	n, err := t.Int(`SELECT EXISTS (SELECT 1 FROM sqlsync_left WHERE dataset_id = ? AND wanted AND name = ?)`, ds.id, schema.Fold(tab.name))
	return n > 0, err
}

// gapIn reports whether one of some tables has such sections in a dataset with
// these chains.
func (t *tx) gapIn(ds *dataset, c chains, tables []*table) (bool, error) {
	if !c.haveGap() {
		return false, nil
	}
	for _, tab := range tables {
		if !tab.takes(ds) {
			continue
		}
		if gap, err := t.unfilled(tab, ds); err != nil || gap {
			return gap, err
		}
	}
	return false, nil
}
