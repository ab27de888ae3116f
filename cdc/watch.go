package cdc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sqlsync/schema"
)

// WatchOptions say how tables are watched. The zero value is the default.
type WatchOptions struct {
	// Dataset is created if it does not exist; "" is that of a table that is
	// watched already, which is moved otherwise, and DefaultDataset for others.
	Dataset string
	// Policy is how rows merge, one of Policies. "" is that of a table that is
	// watched already, and lww for others.
	Policy string
	// Columns are policies of columns, by name. Those of a table that is
	// watched already stay where they are not named.
	Columns map[string]string
	// IDs says who gives out ids, one of IDSchemes; "" is as Policy's.
	IDs string
	// Key names the columns of a UNIQUE NOT NULL index to use as the key; nil
	// is the primary key.
	Key []string
	// InClear consents to a table that is in a private dataset, or was when it was
	// watched last, being put into one that is not. Without it that is refused.
	InClear bool
}

// Verdict is what became of one table.
type Verdict struct {
	Table string
	// Refused is nil when the table is watched; otherwise it says why not, as
	// a *schema.Refusal where the table itself is the reason.
	Refused error
	// Dataset is where the table is now, From where it was moved from, "" if it
	// was not.
	Dataset, From string
	// Rows is how many rows the baseline took.
	Rows int64
	// Policy is how the table merges now, Before how it did when it was watched
	// already, "" if it was not.
	Policy, Before string
	// SharedIDs says that two nodes that insert may give out the same id.
	SharedIDs bool
	// InClear says that the table was private until now.
	InClear bool
}

// Watch installs capture on tables and takes their rows as the baseline, each
// table in a transaction of its own. A table that is refused leaves no trace;
// the others go on. Watching a table again changes how it is watched.
func (s *Store) Watch(ctx context.Context, names []string, o WatchOptions) ([]Verdict, error) {
	if err := o.Check(ctx); err != nil {
		return nil, err
	}
	var list []Verdict
	for _, name := range names {
		v, err := s.watch(ctx, name, o)
		if err != nil {
			return list, err
		}
		list = append(list, v)
	}
	if err := s.watchAgain(ctx, list, o); err != nil {
		return list, err
	}
	var errs []error
	for _, d := range s.Datasets() {
		if slices.ContainsFunc(list, func(v Verdict) bool { return v.Dataset == d }) {
			errs = append(errs, s.sealWhole(ctx, d))
		}
	}
	return list, errors.Join(errs...)
}

func (s *Store) watch(ctx context.Context, name string, o WatchOptions) (Verdict, error) {
	v := Verdict{Table: name}
	err := s.write(ctx, func(t *tx) (err error) {
		v.Before, v.From, v.InClear = "", "", false
		old := t.cfg.byName[schema.Fold(name)]
		if old != nil && old.def != nil {
			v.Before = old.policyText()
		}
		hidden, err := t.hidden(name)
		if err != nil {
			return err
		}
		if v.Rows, err = t.watch(&v.Table, o); err != nil {
			return err
		}
		tab := t.cfg.byName[schema.Fold(v.Table)]
		v.Policy, v.Dataset = tab.policyText(), tab.ds.name
		if v.Before != "" && old.ds.id != tab.ds.id {
			v.From = old.ds.name
		}
		v.InClear = hidden != "" && !tab.ds.private
		v.SharedIDs = len(tab.key) == 1 && tab.key[0] == tab.def.RowidAlias && tab.merging.IDs == ""
		return nil
	})
	if v.Refused = refusal(err); v.Refused == nil && err != nil {
		return v, fmt.Errorf("watch %s: %w", name, err)
	}
	return v, nil
}

// watch watches one table; name becomes the table's own spelling.
func (t *tx) watch(name *string, o WatchOptions) (rows int64, err error) {
	def, err := schema.Load(t.ctx, t.Conn, *name)
	if err != nil {
		return 0, err
	}
	*name = def.Name
	if o.Dataset == "" {
		o.Dataset = DefaultDataset
		if old := t.cfg.byName[schema.Fold(def.Name)]; old != nil {
			o.Dataset = old.ds.name
		}
	}
	if err := t.mayReveal(def.Name, o); err != nil {
		return 0, err
	}
	if old := t.cfg.byName[schema.Fold(def.Name)]; old != nil && old.def != nil {
		return t.rewatch(old, o)
	} else if old != nil { // the key it was watched by is gone
		if err := t.unwatch(old); err != nil {
			return 0, err
		}
	}
	key, err := def.Key(o.Key)
	if err != nil {
		return 0, err
	}
	// What the triggers do on our connection is known when the table is watched.
	var lacks *schema.Refusal
	if err := t.checkDefinition(def, key); err != nil && !(errors.As(err, &lacks) && lacks.Function != "") {
		return 0, err
	}
	m := o.merging(merging{policy: policyLWW})
	if err := m.check(def, key); err != nil {
		return 0, err
	}
	ds, err := t.dataset(o.Dataset)
	if errors.Is(err, ErrNoDataset) {
		ds, err = t.addDataset(o.Dataset)
	}
	if err != nil {
		return 0, err
	}
	if err := t.canSeal(ds); err != nil {
		return 0, err
	}
	if err := t.widen(ds, len(key)); err != nil {
		return 0, err
	}
	id, again, err := t.addTable(def, key, ds, m)
	if err != nil {
		return 0, err
	}
	tab := &table{id: id, name: def.Name, ds: ds, keyCols: keyNames(def, key), def: def, key: key}
	tab.tableSQL = newTableSQL(tab)
	if _, err := t.Exec(tab.createMeta()); err != nil {
		return 0, fmt.Errorf("create metadata: %w", err)
	}
	if err := t.capture(tab); err != nil {
		return 0, err
	}
	if err := t.changed(); err != nil {
		return 0, err
	}
	if tab = t.cfg.byID[id]; tab.broken != nil {
		return 0, tab.broken
	}
	if err := t.beginIDs(tab); err != nil {
		return 0, err
	}
	missed, err := t.forgone(ds, def.Name)
	if err == nil && again && !missed {
		missed, err = t.pruned(ds) // what it was is in no batch any more
	}
	if err != nil {
		return 0, err
	}
	if missed {
		if err := t.need(tab); err != nil {
			return 0, err
		}
	}
	if again {
		err = t.rebuild(tab)
	} else {
		err = t.markAll(tab, opBaseline)
	}
	if err != nil {
		return 0, err
	}
	return t.Int(`SELECT count(*) FROM main.` + schema.Quote(def.Name))
}

// addTable records a watched table; again says that it was watched before.
// Batches that are held may have changes to it already: they are replayed.
func (t *tx) addTable(def *schema.Table, key schema.Key, ds *dataset, m merging) (id int64, again bool, err error) {
	if id, err = t.Int(`SELECT id FROM sqlsync_table WHERE name = ?`, def.Name); err != nil {
		return 0, false, err
	}
	again = id > 0
	if !again {
		if id, err = t.Int(`SELECT 1 + coalesce(max(id), 0) FROM sqlsync_table`); err != nil {
			return 0, false, err
		}
	}
	cols, err := json.Marshal(keyNames(def, key))
	if err != nil {
		return 0, false, err
	}
	// Where another dataset has got to says nothing of this one.
	from, err := t.Int(`SELECT CASE WHEN EXISTS (SELECT 1 FROM sqlsync_table WHERE id = ?1 AND dataset_id = ?2)
		THEN (SELECT replay_from FROM sqlsync_table WHERE id = ?1) ELSE (SELECT min(pos) FROM sqlsync_batch WHERE dataset_id = ?2) END`, id, ds.id)
	if err != nil {
		return 0, false, err
	}
	if _, err := t.Exec(`DELETE FROM sqlsync_moved WHERE table_id = ? AND dataset_id = ?`, id, ds.id); err != nil {
		return 0, false, err
	}
	var replay any
	if from > 0 {
		replay = from
	}
	// What was merged by another policy is merged again by this one.
	uneven, err := t.Int(`SELECT uneven FROM sqlsync_table WHERE id = ?`, id)
	if err != nil {
		return 0, false, err
	}
	other, err := t.Int(`SELECT count(*) FROM sqlsync_table WHERE id = ? AND (policy <> ? OR options IS NOT ?)`, id, m.policy, m.options())
	if err != nil {
		return 0, false, err
	}
	_, err = t.Exec(`INSERT OR REPLACE INTO sqlsync_table (id, name, dataset_id, policy, options, key, watched, replay_from, uneven)
		VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)`, id, def.Name, ds.id, m.policy, m.options(), string(cols), replay, orNull(uneven))
	if err == nil && uneven+other > 0 {
		err = t.makeUneven(&table{id: id, name: def.Name, ds: ds})
	}
	return id, again, err
}

func keyNames(def *schema.Table, key schema.Key) []string {
	names := make([]string, len(key))
	for i, c := range key {
		names[i] = def.Columns[c].Name
	}
	return names
}

// rewatch changes how a table is watched.
func (t *tx) rewatch(tab *table, o WatchOptions) (int64, error) {
	// What was written by the old policy is sealed by it.
	if err := t.sealAll(tab.ds); err != nil {
		return 0, err
	}
	if tab.aside {
		return 0, fmt.Errorf("table %s waits: %s", tab.name, tab.waiting)
	}
	if o.Key != nil && !slices.EqualFunc(o.Key, tab.keyCols, equalNames) {
		return 0, &schema.Refusal{Table: tab.name, Cause: fmt.Sprintf("it is watched with key %s", strings.Join(tab.keyCols, ",")),
			Remedy: "unwatch it first, then watch it with the other key"}
	}
	rows, err := t.Int(`SELECT count(*) FROM main.` + schema.Quote(tab.name))
	if err != nil {
		return 0, err
	}
	if o.Dataset != tab.ds.name {
		if err := t.moveTo(tab, o.Dataset); err != nil {
			return 0, err
		}
		tab = t.cfg.byID[tab.id]
	}
	m := o.merging(tab.merging)
	if m.equal(tab.merging) {
		return rows, nil
	}
	if err := m.check(tab.def, tab.key); err != nil {
		return 0, err
	}
	if _, err := t.Exec(`UPDATE sqlsync_table SET policy = ?, options = ? WHERE id = ?`, m.policy, m.options(), tab.id); err != nil {
		return 0, err
	}
	if m.policy != tab.merging.policy || !maps.Equal(m.Columns, tab.merging.Columns) {
		if err := t.makeUneven(tab); err != nil {
			return 0, err
		}
	}
	if err := t.changed(); err != nil {
		return 0, err
	}
	now := t.cfg.byID[tab.id]
	if err := t.beginStates(now); err != nil {
		return 0, err
	}
	return rows, t.beginIDs(now)
}

// beginIDs prepares a table for its scheme of ids.
func (t *tx) beginIDs(tab *table) error {
	if tab.localIDs() {
		if err := t.unpack(tab); err != nil {
			return err
		}
		if _, err := t.Exec(tab.createMetaBirth()); err != nil {
			return fmt.Errorf("index births: %w", err)
		}
	}
	return t.keepRange(tab)
}

// Unwatch removes the capture and the metadata of tables; their data stays.
// It returns the tables that were not watched.
func (s *Store) Unwatch(ctx context.Context, names []string) (unknown []string, err error) {
	err = s.write(ctx, func(t *tx) error {
		unknown = nil
		for _, name := range names {
			tab := t.cfg.byName[schema.Fold(name)]
			if tab == nil {
				unknown = append(unknown, name)
				continue
			}
			if err := t.unwatch(tab); err != nil {
				return fmt.Errorf("unwatch %s: %w", name, err)
			}
		}
		if len(unknown) == len(names) {
			return nil
		}
		return t.changed()
	})
	return unknown, err
}

func (t *tx) unwatch(tab *table) error {
	if err := t.uncapture(tab.id); err != nil {
		return err
	}
	if _, err := t.Exec(`DROP TABLE IF EXISTS ` + metaName(tab.id)); err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM ` + tab.ds.oplog() + ` WHERE table_id = ?`,
		`DELETE FROM sqlsync_conflict WHERE table_id = ?`,
		`DELETE FROM sqlsync_differing WHERE table_id = ?`,
		`DELETE FROM sqlsync_disagreement WHERE table_id = ?`,
		`DELETE FROM sqlsync_arrival WHERE table_id = ?`,
		`DELETE FROM sqlsync_even WHERE table_id = ?`,
		`DELETE FROM sqlsync_restated WHERE table_id = ?`,
		// What comes from now on is not merged: see rebuild.
		`UPDATE sqlsync_table SET watched = 0, replay_from = coalesce(replay_from,
			(SELECT pos + 1 FROM sqlsync_dataset WHERE id = dataset_id)) WHERE id = ?`,
	} {
		if _, err := t.Exec(q, tab.id); err != nil {
			return err
		}
	}
	return nil
}
