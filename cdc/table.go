package cdc

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"sqlsync/merge"
	"sqlsync/merge/cell"
	"sqlsync/schema"
	"sqlsync/wire"
)

// table is a watched table: how it is watched, as it is now, and the SQL that
// goes with it. It is immutable; a changed schema makes a new one.
type table struct {
	id      int64
	name    string
	ds      *dataset
	merging merging
	rule    merge.Policy
	keyCols []string
	// rowids says that an application was seen to give rowids, which are not
	// the key.
	rowids bool
	// waiting says why peers' changes are held back, "" when they are not.
	waiting string
	// aside says that it waits because its own changes cannot be sealed.
	aside bool
	// broken is the refusal of a table of which an apply does not compile.
	broken error
	// replayFrom is the place of the first batch with changes not applied yet,
	// 0 if there is none. Those before freshFrom were applied, but for the
	// columns that have come since, whose slots are in landing.
	replayFrom, freshFrom int64
	landing               map[int]bool
	// backTo is the place of a batch that is to be merged again, 0 for none: see
	// fosterOrphans.
	backTo int64
	// formers are datasets that it was in.
	formers []former
	// arrivals are what is in it that did not come with batches of its dataset.
	arrivals wire.Arrivals

	def *schema.Table // nil when the table is not there
	key schema.Key
	// cells are the columns that changes carry, by name; see tableCell.
	cells []tableCell
	// slots is one more than the highest slot ever given.
	slots int
	// was are slots by what their columns were called, folded.
	was map[string]int
	// references and checks are what rows of the table may break.
	references []reference
	checks     []schema.Constraint
	// specials is how many cells have a policy of their own.
	specials int
	// shadows are the cells whose writes travel with more than their value.
	shadows []int
	// integerMeta says that the key of the metadata is one integer.
	integerMeta bool
	// renamed says that a column was found to have another name.
	renamed bool
	// lacking are columns that peers have and this table has not, in lower
	// case, with the place of the first batch that has values for them.
	lacking map[string]int64

	tableSQL
}

// tableCell is a column whose value is replicated: every stored column that is not
// in the key, and key columns too where equal keys may differ in their bytes.
type tableCell struct {
	name string
	slot int
	key  int // place in the key, -1 for none
	// initial is the value that a row has which was there before the column.
	initial wire.Value
	// policy is how the cell merges, if not by its last writer.
	policy cell.Policy
}

func (t *tx) readTables() error {
	type stored struct {
		table
		dataset int64
		key     string
	}
	var list []stored
	var err error
	err = t.Query(func(row []any) error {
		s := stored{table: table{id: row[0].(int64), name: row[1].(string)}, dataset: row[2].(int64), key: row[4].(string)}
		s.replayFrom, _ = row[5].(int64)
		s.freshFrom, _ = row[7].(int64)
		options, _ := row[6].(string)
		s.rowids = row[8] == int64(1)
		if s.merging, err = decodeMerging(row[3].(string), options); err != nil {
			return fmt.Errorf("read table %s: %w", s.name, err)
		}
		list = append(list, s)
		return nil
	}, `SELECT id, name, dataset_id, policy, key, replay_from, options, fresh_from, rowids FROM sqlsync_table WHERE watched ORDER BY id`)
	if err != nil {
		return err
	}
	for i := range list {
		tab := &list[i].table
		for _, d := range t.cfg.datasets {
			if d.id == list[i].dataset {
				tab.ds = d
			}
		}
		if tab.keyCols, err = decodeKey(list[i].key); err != nil {
			return fmt.Errorf("read key of %s: %w", tab.name, err)
		}
		if err := t.readFormers(tab); err != nil {
			return fmt.Errorf("read table %s: %w", tab.name, err)
		}
		if err := t.readArrivals(tab); err != nil {
			return fmt.Errorf("read table %s: %w", tab.name, err)
		}
		if err := t.describe(tab); err != nil {
			return fmt.Errorf("read table %s: %w", tab.name, err)
		}
		t.cfg.tables = append(t.cfg.tables, tab)
		t.cfg.byName[schema.Fold(tab.name)] = tab
		t.cfg.byID[tab.id] = tab
	}
	return nil
}

func decodeKey(text string) (names []string, err error) {
	err = json.Unmarshal([]byte(text), &names)
	return names, err
}

// describe fills in what the database says of a table. One that is gone or has
// lost its key waits, alone.
func (t *tx) describe(tab *table) error {
	tab.rule = tab.merging.rule()
	def, err := schema.Load(t.ctx, t.Conn, tab.name)
	if errors.Is(err, schema.ErrNoTable) {
		tab.waiting = "the table is not in the database"
		return t.uncapture(tab.id) // RENAME TO takes triggers along, and may have broken them
	}
	if err != nil {
		return err
	}
	if tab.key, err = def.Key(tab.keyCols); err != nil {
		tab.waiting = err.Error()
		return nil
	}
	if same, err := t.sameIdentity(tab, def); err != nil {
		return err
	} else if !same {
		tab.waiting = "its key compares otherwise than when it was watched; watch it again, with the same --key if it had one"
		return nil
	}
	tab.def = def
	tab.tableSQL.t = tab
	if err := t.readCells(tab); err != nil {
		return err
	}
	if err := t.assignPolicies(tab); err != nil {
		return err
	}
	if err := t.readLacking(tab); err != nil {
		return err
	}
	if err := t.readConstraints(tab); err != nil {
		return err
	}
	tab.tableSQL = newTableSQL(tab)
	if err := t.readDisagreements(tab); err != nil {
		return err
	}
	t.leaveAside(tab)
	if err := t.recapture(tab); err != nil || !tab.renamed {
		return err
	}
	return t.markAll(tab, opCheck)
}

// sameIdentity reports whether the metadata takes the same keys for one as the
// table does: an application may have rebuilt it with a key of another type or
// collation.
func (t *tx) sameIdentity(tab *table, def *schema.Table) (same bool, err error) {
	own := make(map[string]*schema.Column, len(tab.key))
	for i, c := range tab.key {
		own[fmt.Sprintf("k%d", i)] = &def.Columns[c]
	}
	same = true
	err = t.Query(func(row []any) error {
		if c := own[row[0].(string)]; c != nil {
			same = same && c.Affinity.Kind() == row[1].(string) && schema.Same(cmp.Or(c.Collation, "BINARY"), row[2].(string))
		}
		tab.integerMeta = len(own) == 1 && row[3] == "INTEGER"
		return nil
	}, `SELECT c.name, CASE c.type WHEN 'INTEGER' THEN 'NUMERIC' WHEN 'REAL' THEN 'NUMERIC' ELSE c.type END, coalesce(x.coll, 'BINARY'), c.type
		FROM pragma_table_xinfo(?1, 'main') AS c
		LEFT JOIN (SELECT x.name, x.coll FROM pragma_index_list(?1, 'main') AS l, pragma_index_xinfo(l.name, 'main') AS x WHERE l.origin = 'pk' AND x.key) AS x ON x.name = c.name
		WHERE c.pk`, metaName(tab.id))
	return same, err
}

func keyPlace(key schema.Key, column int) int {
	for place, i := range key {
		if i == column {
			return place
		}
	}
	return -1
}

// cellNamed returns the index in cells of the column that has a name or, if none
// has, had it, -1 if there is none.
func (tab *table) cellNamed(name string) int {
	if i := tab.cellCalled(name); i >= 0 {
		return i
	}
	return tab.cellOnceCalled(name)
}
