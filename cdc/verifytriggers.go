package cdc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sqlsync/schema"
)

// wantedCapture is what capture one table is to have.
type wantedCapture struct {
	id, dataset int64
	rowids      bool // see table.rowids
	table       string
	keyCols     []string
	triggers    []schema.Trigger
	// unknown says that it cannot be told, because the table waits.
	unknown bool
}

// installed is a trigger that is in the database.
type installed struct{ name, table, sql string }

// verifyTriggers compares capture with what schema.Triggers would build now.
// It reads only, for whatever writes next puts missing capture back.
func (s *Store) verifyTriggers(ctx context.Context) (list []Finding, err error) {
	err = s.peek(ctx, func(t *tx) error {
		wanted, err := t.wantedCapture()
		if err != nil {
			return err
		}
		have, err := installedTriggers(ctx, t.Conn)
		list = compareTriggers(wanted, have)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("verify triggers: %w", err)
	}
	return list, nil
}

// installedTriggers are those with a name of ours, by folded name.
func installedTriggers(ctx context.Context, q schema.Queryer) (map[string]installed, error) {
	have := make(map[string]installed)
	rows, err := q.QueryContext(ctx, `SELECT name, tbl_name, sql FROM main.sqlite_master WHERE type = 'trigger' AND name LIKE 'sqlsync\_%' ESCAPE '\' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var i installed
		if err := rows.Scan(&i.name, &i.table, &i.sql); err != nil {
			return nil, err
		}
		have[schema.Fold(i.name)] = i
	}
	return have, rows.Err()
}

func (t *tx) wantedCapture() (list []wantedCapture, err error) {
	var keys []string
	err = t.Query(func(row []any) error {
		list = append(list, wantedCapture{id: row[0].(int64), table: row[1].(string), dataset: row[2].(int64), rowids: row[4] == int64(1)})
		keys = append(keys, row[3].(string))
		return nil
	}, `SELECT id, name, dataset_id, key, rowids FROM sqlsync_table WHERE watched ORDER BY id`)
	if err != nil {
		return nil, err
	}
	for i := range list {
		w := &list[i]
		if err := json.Unmarshal([]byte(keys[i]), &w.keyCols); err != nil {
			return nil, fmt.Errorf("read key of %s: %w", w.table, err)
		}
		if err := w.build(t.ctx, t.Conn); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// build makes the triggers that the table is to have.
func (w *wantedCapture) build(ctx context.Context, q schema.Queryer) error {
	def, err := schema.Load(ctx, q, w.table)
	if refusal := (*schema.Refusal)(nil); errors.Is(err, schema.ErrNoTable) || errors.As(err, &refusal) {
		w.unknown = true
		return nil
	}
	if err != nil {
		return err
	}
	key, err := def.Key(w.keyCols)
	if w.unknown = err != nil; w.unknown {
		return nil
	}
	w.triggers = schema.Triggers(def, key, schema.Capture{Dataset: w.dataset, TableID: w.id, Rowids: w.rowids})
	return nil
}

// compareTriggers uses up have.
func compareTriggers(wanted []wantedCapture, have map[string]installed) (list []Finding) {
	for _, w := range wanted {
		for _, trigger := range w.triggers {
			name := schema.Fold(trigger.Name)
			got, ok := have[name]
			delete(have, name)
			switch {
			case !ok, !equalNames(got.table, w.table):
				list = append(list, Finding{Kind: MissingTrigger, Table: w.table, trigger: trigger.Name, Detail: trigger.Name + " is missing"})
			case got.sql != trigger.SQL:
				list = append(list, Finding{Kind: AlteredTrigger, Table: w.table, trigger: trigger.Name, Detail: trigger.Name + " is not as it should be"})
			}
		}
		for name := range have {
			if w.unknown && strings.HasPrefix(name, fmt.Sprintf("%s%d_", schema.Prefix, w.id)) {
				delete(have, name)
			}
		}
	}
	for _, i := range have {
		list = append(list, Finding{Kind: ForeignTrigger, Table: i.table, trigger: i.name, Detail: i.name + " has a name of sqlsync's and is not its trigger"})
	}
	return list
}
