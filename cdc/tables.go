package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sqlsync/schema"
	"sqlsync/wire"
)

// TableStatus is a table of the database and how it stands.
type TableStatus struct {
	Name    string
	Watched bool
	// Dataset, Policy and Waiting are set for watched tables; Waiting says why
	// peers' changes are held back.
	Dataset, Policy, Waiting string
	// LocalIDs says that rows have ids of their own on every node.
	LocalIDs bool
	Key      []string
	// Rows is the number of rows, -1 where the table cannot be read.
	Rows int64
	// Refused says why the table cannot be watched, nil if it can.
	Refused error
}

// Tables lists the application's tables, watched or not.
func (s *Store) Tables(ctx context.Context) ([]TableStatus, error) {
	var list []TableStatus
	err := s.look(ctx, func(t *tx) error {
		names, err := schema.Names(ctx, t.Conn)
		if err != nil {
			return err
		}
		list = nil
		for _, name := range names {
			st, err := t.tableStatus(name)
			if err != nil {
				return fmt.Errorf("table %s: %w", name, err)
			}
			list = append(list, st)
		}
		for _, tab := range t.cfg.tables {
			if tab.def == nil && !slices.ContainsFunc(names, func(n string) bool { return equalNames(n, tab.name) }) {
				list = append(list, TableStatus{Name: tab.name, Watched: true, Dataset: tab.ds.name, Policy: tab.policyText(),
					Key: tab.keyCols, Waiting: tab.waiting, Rows: -1})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Counting takes long, so it is not done where the application may wait.
	for i := range list {
		var n int64
		if err := s.db.GetContext(ctx, &n, `SELECT count(*) FROM main.`+schema.Quote(list[i].Name)); err == nil {
			list[i].Rows = n
		}
	}
	if !slices.ContainsFunc(list, func(st TableStatus) bool { return callsFunction(st.Refused) }) {
		return list, nil
	}
	return list, s.explain(reconsider(ctx, s.path, list))
}

// Watched counts the watched tables.
func (s *Store) Watched(ctx context.Context) (n int64, err error) {
	if err = s.db.GetContext(ctx, &n, `SELECT count(*) FROM sqlsync_table WHERE watched`); err != nil {
		return 0, fmt.Errorf("count tables: %w", s.explain(err))
	}
	return n, nil
}

func (t *tx) tableStatus(name string) (TableStatus, error) {
	st := TableStatus{Name: name, Rows: -1}
	if tab := t.cfg.byName[schema.Fold(name)]; tab != nil {
		st.Watched, st.Dataset, st.Policy, st.Waiting, st.Key = true, tab.ds.name, tab.policyText(), tab.waiting, tab.keyCols
		st.LocalIDs = tab.localIDs()
	} else if err := st.judge(t.ctx, t.Conn, t.checkDefinition); err != nil {
		return st, err
	}
	return st, nil
}

// judge says whether a table could be watched.
func (st *TableStatus) judge(ctx context.Context, q schema.Queryer, check func(*schema.Table, schema.Key) error) error {
	def, err := schema.Load(ctx, q, st.Name)
	if err != nil {
		return err
	}
	key, err := def.Key(st.Key)
	if err == nil {
		st.Key = keyNames(def, key)
		err = check(def, key)
	}
	var refusal *schema.Refusal
	if errors.As(err, &refusal) {
		st.Refused, err = refusal, nil
	}
	return err
}

func (tab *table) fingerprint() string { return schema.Fingerprint(tab.def, tab.key) }

// Schema returns what another node needs to create and watch the tables of the
// dataset, and to be like this file otherwise.
func (d *Stream) Schema(ctx context.Context) (*wire.Schema, error) {
	out := &wire.Schema{Datasets: d.s.Datasets()}
	err := d.s.look(ctx, func(t *tx) error {
		out.Tables, out.Settings = nil, make(map[string]string)
		for _, tab := range t.cfg.tables {
			if tab.ds.name != d.name || tab.def == nil {
				continue
			}
			ts := wire.TableSchema{Name: tab.name, Create: tab.def.Statements(), Key: tab.keyCols, Policy: tab.merging.policy, Options: tab.merging.schemaOptions()}
			for _, trigger := range tab.def.Triggers {
				ts.Triggers = append(ts.Triggers, trigger.SQL)
			}
			out.Tables = append(out.Tables, ts)
		}
		for _, name := range clonedSettings {
			v, err := t.Int(`PRAGMA main.` + name)
			if err != nil {
				return err
			}
			out.Settings[name] = strconv.FormatInt(v, 10)
		}
		return nil
	})
	return out, err
}

// clonedSettings are the settings of a file that an application looks at to
// know its own.
var clonedSettings = []string{"user_version", "application_id"}

// Create creates tables as another node has them and watches them in a
// dataset, in one transaction. A table that exists is watched as it is. It
// returns the application triggers that could not be created because they
// need something this database does not have.
func (s *Store) Create(ctx context.Context, dataset string, from *wire.Schema) (skipped []string, err error) {
	err = s.write(ctx, func(t *tx) error {
		skipped = nil
		if _, err := t.dataset(dataset); errors.Is(err, ErrNoDataset) {
			if _, err := t.addDataset(dataset); err != nil {
				return err
			}
		}
		if err := t.createSettings(from.Settings); err != nil {
			return err
		}
		var news []wire.TableSchema
		for _, ts := range from.Tables {
			isNew, err := t.create(dataset, ts)
			if err != nil {
				return fmt.Errorf("create %s: %w", ts.Name, err)
			}
			if isNew {
				news = append(news, ts)
			}
		}
		// After all tables: a trigger may name any of them.
		for _, ts := range news {
			left, err := t.createTriggers(ts)
			if err != nil {
				return fmt.Errorf("create triggers of %s: %w", ts.Name, err)
			}
			skipped = append(skipped, left...)
		}
		return t.changed()
	})
	if err != nil {
		return nil, err
	}
	return skipped, s.Seal(ctx, dataset)
}

// createSettings takes over settings, where the file has no tables yet.
func (t *tx) createSettings(settings map[string]string) error {
	names, err := schema.Names(t.ctx, t.Conn)
	if err != nil || len(names) > 0 {
		return err
	}
	for _, name := range clonedSettings {
		n, err := strconv.ParseInt(settings[name], 10, 32)
		if err != nil {
			continue
		}
		if _, err := t.Exec(fmt.Sprintf(`PRAGMA main.%s = %d`, name, n)); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

func (t *tx) create(dataset string, ts wire.TableSchema) (isNew bool, err error) {
	_, err = schema.Load(t.ctx, t.Conn, ts.Name)
	var missing *schema.NoTable
	isNew = errors.As(err, &missing)
	if isNew {
		for _, q := range ts.Create {
			if err := t.foreign(ts.Name, q); err != nil {
				return false, err
			}
		}
	} else if err != nil {
		return false, err
	}
	name := ts.Name
	if tab := t.cfg.byName[schema.Fold(name)]; tab != nil && tab.ds.name != dataset {
		return false, &schema.Refusal{Table: tab.name, Cause: fmt.Sprintf("it is watched in dataset %s, and is in %s there", tab.ds.name, dataset),
			Remedy: "sqlsync watch " + tab.name + " --dataset " + dataset + " moves it"}
	}
	_, err = t.watch(&name, watchOptions(dataset, ts))
	return isNew, err
}

// watchOptions are how a table is watched where a schema comes from.
func watchOptions(dataset string, ts wire.TableSchema) WatchOptions {
	return WatchOptions{Dataset: dataset, Policy: ts.Policy, Key: ts.Key, Columns: columnOptions(ts.Options), IDs: ts.Options[optionIDs]}
}

// Agrees refuses a schema with a table that is watched here and merges in another
// way: Create would change that.
func (s *Store) Agrees(ctx context.Context, from *wire.Schema) error {
	return s.look(ctx, func(t *tx) error {
		for _, ts := range from.Tables {
			tab := t.cfg.byName[schema.Fold(ts.Name)]
			if tab == nil {
				continue
			}
			there := watchOptions("", ts).merging(merging{policy: policyLWW}).text()
			if here := tab.policyText(); here != there {
				return &schema.Refusal{Table: tab.name, Cause: fmt.Sprintf("it merges by %q here and by %q there", here, there),
					Remedy: "watch it in the same way first; it may be changed back afterwards"}
			}
		}
		return nil
	})
}

func (t *tx) createTriggers(ts wire.TableSchema) (skipped []string, err error) {
	for _, q := range ts.Triggers {
		if ok, err := t.createTrigger(ts.Name, q); err != nil {
			return nil, err
		} else if !ok {
			skipped = append(skipped, q)
		}
	}
	return skipped, nil
}

// createTrigger creates an application's trigger, unless writes to its table
// would not compile with it or it names what is sqlsync's: it would run whenever
// the application writes.
func (t *tx) createTrigger(table, q string) (ok bool, err error) {
	if strings.Contains(schema.Fold(q), schema.Prefix) {
		return false, nil
	}
	if _, err := t.Exec(`SAVEPOINT sqlsync_trigger`); err != nil {
		return false, err
	}
	bad := t.foreign(table, q)
	if bad == nil {
		if err := t.reconfigure(); err != nil {
			return false, err
		}
		bad = t.cfg.byName[schema.Fold(table)].broken
	}
	if bad != nil {
		if _, err := t.Exec(`ROLLBACK TO sqlsync_trigger`); err != nil {
			return false, err
		}
		if err := t.reconfigure(); err != nil {
			return false, err
		}
	}
	_, err = t.Exec(`RELEASE sqlsync_trigger`)
	return bad == nil, err
}
