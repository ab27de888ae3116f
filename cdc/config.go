package cdc

import (
	"fmt"
	"slices"
	"strings"

	"modernc.org/sqlite"

	"sqlsync/merge"
	"sqlsync/schema"
)

// config is what a transaction knows of datasets, tables and origins. It is
// read again when the schema cookie or the generation has changed since.
type config struct {
	schemaVersion, generation int64
	datasets                  []*dataset
	tables                    []*table
	byName                    map[string]*table // by lower-case name
	byID                      map[int64]*table
	// marked names, in lower case, the tables whose triggers stay active on
	// our connection: an application trigger deletes from them.
	marked map[string]bool
	// stubbed names, in lower case, the triggers that may call functions which
	// the connection has by name only; functions are those that any calls.
	stubbed, functions map[string]bool
	// stubs are the connection's.
	stubs   []string
	origins origins
}

// origins interns node ids. Numbers are given once and kept for good.
type origins struct {
	id   map[merge.NodeID]int64
	node map[int64]merge.NodeID
	// mine are those as whom this file was sealed before, and is now.
	mine map[merge.NodeID]bool
}

func newOrigins() origins {
	return origins{id: make(map[merge.NodeID]int64), node: make(map[int64]merge.NodeID), mine: make(map[merge.NodeID]bool)}
}

// configure makes t.cfg the configuration as of this transaction.
func (t *tx) configure() error {
	cookie, err := t.Int(`PRAGMA main.schema_version`)
	if err != nil {
		return err
	}
	generation, err := t.Int(`SELECT generation FROM sqlsync_node`)
	if err != nil {
		return err
	}
	if c := t.s.cfg; c != nil && c.schemaVersion == cookie && c.generation == generation {
		t.cfg = c
		return nil
	}
	return t.reconfigure()
}

// reconfigure reads the configuration, mends what an application's schema
// change has broken, and installs the authorizer that goes with it.
func (t *tx) reconfigure() error {
	t.Forget()
	if err := t.Authorize(denying(t.s.stubs)); err != nil {
		return err
	}
	t.cfg = &config{
		stubs:  t.s.stubs,
		byName: make(map[string]*table), byID: make(map[int64]*table), marked: make(map[string]bool),
		origins: newOrigins(),
	}
	for _, step := range []func() error{t.readOrigins, t.readDatasets, t.readTables, t.rankDatasets, t.readInterest, t.surveyTriggers} {
		if err := step(); err != nil {
			return err
		}
	}
	var err error
	if t.cfg.schemaVersion, err = t.Int(`PRAGMA main.schema_version`); err != nil {
		return err
	}
	if t.cfg.generation, err = t.Int(`SELECT generation FROM sqlsync_node`); err != nil {
		return err
	}
	t.s.cfg = t.cfg
	return t.Authorize(t.cfg.authorize)
}

// changed makes every process read the configuration again.
func (t *tx) changed() error {
	if _, err := t.Exec(`UPDATE sqlsync_node SET generation = generation + 1`); err != nil {
		return err
	}
	return t.reconfigure()
}

func (t *tx) readOrigins() error {
	return t.Query(func(row []any) error {
		id, node := row[0].(int64), merge.NodeID(row[1].([]byte))
		t.cfg.origins.id[node], t.cfg.origins.node[id] = id, node
		if row[2] == int64(1) {
			t.cfg.origins.mine[node] = true
		}
		return nil
	}, `SELECT id, key, mine FROM sqlsync_origin`)
}

// origin returns the number of a node, giving it one if it has none.
func (t *tx) origin(node merge.NodeID) (int64, error) {
	if id, ok := t.cfg.origins.id[node]; ok {
		return id, nil
	}
	id, err := t.Int(`SELECT 1 + max(id) FROM sqlsync_origin`)
	if err != nil {
		return 0, err
	}
	if _, err := t.Exec(`INSERT INTO sqlsync_origin (id, key) VALUES (?, ?)`, id, node[:]); err != nil {
		return 0, fmt.Errorf("number origin: %w", err)
	}
	t.cfg.origins.id[node], t.cfg.origins.node[id] = id, node
	return id, nil
}

// authorize is the authorizer of the store's writer. Whatever a trigger would
// insert or update in a watched table, or in the oplog, compiles to nothing:
// the origin's effects arrive as changes of their own. Writes to other tables
// run, so a full-text index kept by triggers stays right. SQLite runs a DELETE
// whatever is returned for it; on tables where that happens the marks stay
// active, so that what it deleted is sealed like any difference.
func (c *config) authorize(action sqlite.AuthorizerActionCode, table, function, _, trigger string) sqlite.AuthorizerReturnCode {
	if action == sqlite.AuthFunction && len(c.stubs) > 0 && slices.Contains(c.stubs, schema.Fold(function)) {
		if c.stubbed[schema.Fold(trigger)] {
			return sqlite.AuthorizerIgnore
		}
		return sqlite.AuthorizerDeny
	}
	if trigger == "" || action != sqlite.AuthInsert && action != sqlite.AuthUpdate {
		return sqlite.AuthorizerOK
	}
	name := schema.Fold(table)
	if strings.HasPrefix(name, oplogPrefix) {
		if c.marksIn(trigger) {
			return sqlite.AuthorizerOK
		}
		return sqlite.AuthorizerIgnore
	}
	if c.byName[name] != nil {
		return sqlite.AuthorizerIgnore
	}
	return sqlite.AuthorizerOK
}

// marksIn reports whether a capture trigger stays active on our connection.
func (c *config) marksIn(trigger string) bool {
	if len(c.marked) == 0 {
		return false
	}
	for _, t := range c.tables {
		if c.marked[schema.Fold(t.name)] && strings.HasPrefix(schema.Fold(trigger), fmt.Sprintf("sqlsync_%d_", t.id)) {
			return true
		}
	}
	return false
}
